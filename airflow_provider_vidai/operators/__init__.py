"""Operators: one module per vendor over a shared base."""
