"""Vizard, with its codes in HTTP 200."""
