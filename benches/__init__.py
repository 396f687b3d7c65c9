"""Benchmarks: quickcache and its peers, timed against each other. `make bench` runs them."""
