"""What users write, one scenario a function: each is run against both sides.

The functions inside are left untyped and in their users' manner on purpose.
"""
