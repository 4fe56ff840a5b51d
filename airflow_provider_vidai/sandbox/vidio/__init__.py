"""VIDIO, as far as its public client shows it."""
