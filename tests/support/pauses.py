"""Shortens the pauses of the package and of Airflow for one test, and leaves everybody else's as they are."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import airflow_provider_vidai

PACKAGE = "airflow_provider_vidai."
#: It runs in threads of the test's own process, at a speed of its own.
SANDBOX = "airflow_provider_vidai.sandbox"
#: A pause takes no longer than one of this length, in seconds: nobody needs to wait out an hour's fiftieth.
LONGEST = 30.0


class Pauses:
    """Takes the place of the module ``time`` in other modules: its ``sleep`` is short, the rest is real.

    :param recorded: whether ``asked`` gets the length of each pause.
    """

    def __init__(self, *, recorded: bool) -> None:
        self.asked: list[float] = []
        self.faster = 50.0
        self._recorded = recorded

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        if self._recorded:
            self.asked.append(seconds)
        time.sleep(min(seconds, LONGEST) / self.faster)


def shorten(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """Shorten the pauses for the time of the test; return those of the package."""
    ours, airflows = Pauses(recorded=True), Pauses(recorded=False)
    defaults = _defaults()
    for module in _modules("airflow."):
        monkeypatch.setattr(module, "time", airflows)
    for module in _modules(PACKAGE):
        if not module.__name__.startswith(SANDBOX):
            monkeypatch.setattr(module, "time", ours)
    # A default argument keeps the function itself, wherever the module's name leads by now.
    for default in defaults:
        monkeypatch.setitem(default, "sleep", ours.sleep)
    return ours


def _modules(prefix: str) -> list[ModuleType]:
    """Return the modules that use ``time.sleep`` by the module's name."""
    return _modules_among(prefix, len(sys.modules))


@functools.lru_cache(maxsize=2)
def _modules_among(prefix: str, count: int) -> list[ModuleType]:
    """Search the modules again only if some were imported since: there are thousands of them and of tests."""
    found = [module for name, module in tuple(sys.modules.items()) if name.startswith(prefix)]
    return [module for module in found if getattr(module, "__dict__", {}).get("time") is time]


@functools.cache
def _defaults() -> list[dict[str, Any]]:
    """Import all of the package; return the keyword defaults among which ``time.sleep`` is one."""
    found = []
    for info in pkgutil.walk_packages(airflow_provider_vidai.__path__, PACKAGE):
        if info.name.startswith(SANDBOX) or info.name.endswith("__main__"):
            continue
        for function in _functions(importlib.import_module(info.name)):
            defaults = function.__kwdefaults__ or {}
            if defaults.get("sleep") is time.sleep:
                found.append(defaults)
    return found


def _functions(module: ModuleType) -> Iterator[Any]:
    for _, member in inspect.getmembers(module):
        if inspect.isfunction(member):
            yield member
        elif inspect.isclass(member) and member.__module__ == module.__name__:
            yield from (one for one in vars(member).values() if inspect.isfunction(one))
