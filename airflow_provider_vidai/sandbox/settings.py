"""What can be tuned while the sandbox runs."""

import math
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Settings:
    """The sandbox's settings.

    :param speed: how many times faster than life jobs go; 0 stops them.
    :param url_ttl: seconds that a signed URL is good for.
    :param ranges: whether files are served in ranges.
    :param refund_failed: whether jobs bought from now on are refunded if they fail.
    :param media_fps: how many times per second of footage motion and sound are measured.
    """

    speed: float = 1.0
    url_ttl: float = 3600.0
    ranges: bool = True
    refund_failed: bool = False
    media_fps: float = 5.0

    def change(self, changes: dict[str, Any]) -> None:
        """Take over ``changes``.

        :raises ValueError: naming an unknown setting or a value of the wrong kind; nothing is changed then.
        """
        kinds: dict[str, type] = {setting.name: type(setting.default) for setting in fields(self)}
        for name, value in changes.items():
            if name not in kinds:
                raise ValueError(f"unknown setting {name!r}; there are: {', '.join(kinds)}")
            if kinds[name] is bool and not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false")
            if kinds[name] is float and not _is_measure(value, zero=name != "media_fps"):
                raise ValueError(f"{name} must be a number, and not negative or (media_fps) zero")
        for name, value in changes.items():
            setattr(self, name, kinds[name](value))


def _is_measure(value: Any, zero: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < math.inf or (zero and value == 0)
