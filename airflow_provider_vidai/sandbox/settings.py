"""The settings that can be changed while the sandbox runs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from typing import Any, get_args, get_type_hints

from airflow_provider_vidai.sandbox.venice.settings import VeniceSettings
from airflow_provider_vidai.sandbox.vidgo.settings import VidgoSettings
from airflow_provider_vidai.sandbox.vizard.settings import VizardSettings


@dataclass
class Settings:
    """The sandbox's settings.

    :param speed: how many times faster than real time jobs run; 0 stops them.
    :param url_ttl: seconds for which a signed URL is valid.
    :param ranges: whether downloads support ``Range`` requests.
    :param refund_failed: whether jobs bought from now on are refunded if they fail (Venice has its own).
    :param media_fps: how many times per second of footage motion and sound are measured for a reel.
    :param venice: settings of one vendor; ``vizard`` and ``vidgo`` have their own too.
    """

    speed: float = 1.0
    url_ttl: float = 3600.0
    ranges: bool = True
    refund_failed: bool = False
    media_fps: float = 5.0
    venice: VeniceSettings = field(default_factory=VeniceSettings)
    vizard: VizardSettings = field(default_factory=VizardSettings)
    vidgo: VidgoSettings = field(default_factory=VidgoSettings)

    def change(self, changes: dict[str, Any]) -> None:
        """Apply ``changes``; a vendor's own settings are a nested object.

        :raises ValueError: if a setting is unknown or a value invalid; nothing is changed then.
        """
        for part, name, value in list(_checked(self, changes)):
            setattr(part, name, value)


def _checked(part: Any, changes: Any) -> Iterator[tuple[Any, str, Any]]:
    """Validate the changes; yield the object, attribute and value of each."""
    if not isinstance(changes, dict):
        raise ValueError("settings must be an object")
    kinds = get_type_hints(type(part))
    for name, value in changes.items():
        if name not in kinds:
            raise ValueError(f"unknown setting {name!r}; there are: {', '.join(kinds)}")
        kind = kinds[name]
        if is_dataclass(kind):
            yield from _checked(getattr(part, name), value)
            continue
        problem = _problem(name, kind, value)
        if problem:
            raise ValueError(f"{name} must be {problem}")
        yield part, name, kind(value) if isinstance(kind, type) else value


def _problem(name: str, kind: Any, value: Any) -> str | None:
    """Return what the value must be, or None if it is valid."""
    if get_args(kind):
        return None if value in get_args(kind) else f"one of {', '.join(get_args(kind))}"
    if kind is bool:
        return None if isinstance(value, bool) else "true or false"
    if kind is str:
        return None if isinstance(value, str) else "text"
    if kind is int:
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return None if good else "a whole number, not negative"
    good = _is_measure(value, zero=name != "media_fps")
    return None if good else "a number, not negative, and for media_fps more than 0"


def _is_measure(value: Any, zero: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < math.inf or (zero and value == 0)
