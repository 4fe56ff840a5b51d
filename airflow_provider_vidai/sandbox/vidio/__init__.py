"""VIDIO, as far as its API is known from its public client."""
