"""Measures this app beside the plain one that most people write, through real clients: `python -m benchmarks`."""
