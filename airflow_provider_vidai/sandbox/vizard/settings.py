"""Vizard's settings: where its documents contradict each other or are silent, each reading is a setting."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class VizardSettings:
    """Vizard's settings. Times are virtual unless stated otherwise.

    :param balance: the initial balance of an account, in credits; one credit is a minute of source.
    :param creates_per_minute: projects per account in any 60 virtual seconds; 0 is no limit.
    :param creates_per_hour: the same in any 3600 virtual seconds.
    :param generation: ``2024`` is the API as it was first documented: no ``videoType``, no ``videoId``,
        scores as numbers, topics as lists, two calls, and only the limit of a minute.
    :param seconds: virtual seconds that a project takes.
    :param url_ttl: real seconds for which a clip's URL is valid.
    :param project_ttl: virtual seconds after its end at which a project is deleted.
    :param accounts_key: the key of the list of social accounts: the one that the API sends, or the one in its
        documents.
    :param source_copy: whether the clips include a copy of the source.
    :param footage: the path of the video that stands in for every video on a platform; empty generates one.
    :param webhook_url: the webhook of every account's workspace; empty is none.
    :param short_side: the maximum short side of clips in pixels; 0 is the source's. Small videos make load
        tests cheap.
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
