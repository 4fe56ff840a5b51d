"""Hooks: one per vendor, holding its connection."""
