"""How commands print."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from rich.console import Console


def console() -> Console:
    """Return where tables are printed."""
    # In a pipe or a log there is no width to fit; a cut job id would be useless there.
    return Console(width=None if sys.stdout.isatty() else 240)


@contextlib.contextmanager
def logs_to_stderr() -> Iterator[None]:
    """Keep what is logged meanwhile out of the output: Airflow logs to stdout, and programs read that."""
    try:
        stdout = sys.stdout.fileno()
    except (OSError, AttributeError, ValueError):  # it is no file, as in a test
        yield
        return
    sys.stdout.flush()
    kept = os.dup(stdout)
    os.dup2(sys.stderr.fileno(), stdout)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, stdout)
        os.close(kept)
