"""Servers for the tests: started on free ports of this machine, harmed at will, and stopped.

A package of its own name, since one called redis would hide redis-py.
"""
