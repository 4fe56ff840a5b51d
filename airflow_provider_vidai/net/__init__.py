"""Calls, status checks and bodies: all traffic with the vendors, and what its failures prove."""
