"""Turns views into HTML: the templates, and how sizes, lengths and prices are written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from airflow_provider_vidai import __version__
from airflow_provider_vidai.jobs.cost import price
from airflow_provider_vidai.jobs.media_record import MediaFile
from airflow_provider_vidai.purchase.progress import moment
from airflow_provider_vidai.ui.files import media_type

#: What a user reads when Airflow does not let them see something.
REFUSALS = {
    401: ("You are not logged in", "Log in to Airflow, then open this page again."),
    403: ("You may not see this", "Your Airflow account is not permitted to read the XComs of this DAG."),
    404: ("Nothing here", "There is no such run or task, or it is gone."),
    502: ("Airflow did not answer", "Airflow's own API failed. Its log says why. Try again in a moment."),
}


def render(template: str, **values: Any) -> str:
    """Return a page. Every value is escaped: prompts and titles come from outside."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("airflow_provider_vidai.ui"),
        autoescape=True,
        # A misspelt name is an error in a test, and not an empty place on a page.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        size=size, length=length, price=price, sums=sums, moment=moment, kind=kind, label=label
    )
    found.globals.update(version=__version__, now=time.time)
    return found


def size(count: float) -> str:
    """Write a number of bytes: ``3.4 MB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def length(seconds: float | None) -> str:
    """Write a length as a clock does: ``0:07``, ``1:02:30``."""
    if seconds is None:
        return ""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def sums(costs: Mapping[str, float]) -> str:
    """Write the sums of several jobs: ``1.65 USD, 40 credits``."""
    return ", ".join(
        f"{number:,.2f} {unit}" if unit == "USD" else f"{number:,g} {unit}" for unit, number in costs.items()
    )


def kind(file: MediaFile) -> str:
    """Return what a file is: ``video``, ``audio``, ``image``, ``text`` or ``file``."""
    found = media_type(file).partition("/")[0]
    return found if found in ("video", "audio", "image", "text") else "file"


def label(name: str) -> str:
    """Write a name from the API for people: ``aspect_ratio`` as "Aspect ratio"."""
    return name.replace("_", " ").capitalize()


def attachment(name: str) -> str:
    """Return the header by which a browser saves a file under its own name."""
    plain = "".join(
        letter if (letter.isascii() and letter.isalnum()) or letter in "-_." else "_" for letter in name
    )
    # Programs that do not know the second, encoded name take the first one.
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
