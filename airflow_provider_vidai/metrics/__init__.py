"""Metrics, traces and lineage of purchases and landed files. None of them holds a prompt, a URL or a key."""
