"""Measured claims, runnable: see README.md. Never part of the test suite."""
