"""Vizard, with its business codes in answers with HTTP 200."""
