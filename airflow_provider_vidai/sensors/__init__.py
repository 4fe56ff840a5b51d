"""Sensors: one module per vendor over a shared base."""
