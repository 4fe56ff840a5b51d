"""As much of a logger as a purchase needs."""

from __future__ import annotations

from typing import Any, Protocol


class Log(Protocol):
    """As much of a logger as is needed; Airflow's is not the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any:
        """Log what happens."""

    def warning(self, msg: str, /, *args: Any) -> Any:
        """Log what a person should know."""

    def error(self, msg: str, /, *args: Any) -> Any:
        """Log what went wrong."""
