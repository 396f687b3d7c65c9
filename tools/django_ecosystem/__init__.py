"""The tests of packages that lean on Django's cache, run with our backends."""
