"""A small shop for tea."""
