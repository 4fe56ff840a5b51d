"""How commands show tables."""

from __future__ import annotations

import sys

from rich.console import Console


def console() -> Console:
    """Return where tables are printed."""
    # In a pipe or a log there is no width to fit; a cut job id would be useless there.
    return Console(width=None if sys.stdout.isatty() else 240)
