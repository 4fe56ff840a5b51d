"""What can be tuned of Vizard: where its documents disagree or are silent, each reading is a setting."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class VizardSettings:
    """Vizard's settings. Its times are virtual: they pass at the sandbox's speed.

    :param balance: credits that an account has before it buys anything; one is a minute of source.
    :param creates_per_minute: projects in any 60 virtual seconds, of an account; 0 is no limit.
    :param creates_per_hour: the same, in any 3600.
    :param generation: ``2024`` is the API as it was first documented: no ``videoType``, no ``videoId``,
        scores as numbers, topics as lists, two calls, and only the limit of a minute.
    :param seconds: that a project takes.
    :param url_ttl: real seconds that a clip's URL is good for.
    :param project_ttl: virtual seconds after which a project is deleted, counted from its end.
    :param accounts_key: under which name social accounts are listed: what the API sends, or what its
        documents say.
    :param source_copy: whether the source itself comes back as one of the clips.
    :param footage: a film's path, to be what platforms (and all hosts that are not this machine) have at
        every URL; empty has one made up.
    :param webhook_url: of every account's workspace; empty is none.
    :param short_side: clips are no larger than this on their short side; 0 is as large as the source. Small
        films make load tests cheap.
    """

    balance: float = 6000.0
    creates_per_minute: int = 3
    creates_per_hour: int = 20
    generation: Literal["today", "2024"] = "today"
    seconds: float = 180.0
    url_ttl: float = 10_800.0
    project_ttl: float = 604_800.0
    accounts_key: Literal["publishAccounts", "accounts"] = "publishAccounts"
    source_copy: bool = False
    footage: str = ""
    webhook_url: str = ""
    short_side: int = 0
