"""Benchmarks: ratios against a peer on the same work in the same run. `make bench` runs them all."""
