"""The command ``doctor``: checks what this package needs, and buys one small job if asked."""
