"""Benchmarks behind the claims in the documentation: see README.md. They are not part of the test suite."""
