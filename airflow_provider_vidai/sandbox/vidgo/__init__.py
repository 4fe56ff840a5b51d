"""Vidgo, with its models, songs and callbacks."""
