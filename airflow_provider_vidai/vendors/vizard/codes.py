"""Vizard's business codes, and what each means for the call that it answers.

They come with HTTP 200, in ``code`` at the top of the JSON. Sources: the vendor's documents of 2024-08 to
2026-10. Where those disagree (4005), the table follows the newest. Other codes are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

#: The calls that have codes of their own.
CallName = Literal["create", "query", "accounts", "publish", "caption"]

DONE: Final = 2000
PROCESSING: Final = 1000

#: Seconds after which a purchase that was over the limit is sent again. Three are allowed in a minute and
#: twenty in an hour, and the answer does not say which of the two limits was reached.
LIMIT_WAIT: Final = 61.0
#: The same for calls whose limits are not published.
OTHER_LIMIT_WAIT: Final = 60.0


class End(Enum):
    """What a code means for the caller."""

    DONE = "go on"
    RUNNING = "check again later"
    WAIT = "wait, and send again"
    ACCOUNT = "the account cannot do this"
    REFUSED = "refused; nothing was bought"
    FAILED = "the job failed"
    GONE = "there is no such job"
    LOST = "its outcome is unknown"


@dataclass(frozen=True)
class Meaning:
    """A code's outcome, its explanation, and what a person can do.

    :param blame: whose fault a failed job is.
    """

    end: End
    text: str
    remedy: str = ""
    blame: Literal["input", "vendor", "unknown"] = "input"

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}" if self.remedy else self.text


_URL = (
    "Host the file at a public https URL that serves it to anybody, without a log-in page or an interstitial"
)
_KEY = "Check the API key in the connection's password field: it is made in the workspace's settings, tab API"
_PLAN = "Upgrade the plan, or top it up"

_EVERYWHERE = {
    2000: Meaning(End.DONE, "done"),
    4001: Meaning(End.ACCOUNT, "the API key is invalid", _KEY),
    4003: Meaning(End.WAIT, "too many requests", "3 projects may be created in a minute and 20 in an hour"),
}
_PARAMETER = Meaning(End.REFUSED, "a parameter is invalid", "Correct it as the vendor's message says")
_ILLEGAL = Meaning(End.REFUSED, "a parameter is illegal", "Correct it as the vendor's message says")
_MINUTES = Meaning(End.ACCOUNT, "the account has too few minutes left", _PLAN)

#: What is wrong with a source. Vizard says so at the purchase, or only at a later status check.
_SOURCES: Mapping[int, tuple[str, str]] = {
    4004: ("the video's format is not supported", "Vizard takes mp4, 3gp, avi and mov"),
    4005: (
        "the file is broken, or too long (to be edited: 3 minutes; to be clipped: 600)",
        "Check that it plays, and how long it is",
    ),
    4008: ("the video cannot be downloaded from its URL", _URL),
    4009: ("the URL is invalid", "Check video_url and source"),
    4010: ("the language was not detected", "Give language= (such as 'en')"),
}

#: What each code means, by call. A code that is not here is not documented for the call.
TABLE: Final[Mapping[CallName, Mapping[int, Meaning]]] = {
    "create": {
        **_EVERYWHERE,
        -1000: _PARAMETER,
        4002: Meaning(
            End.LOST, "the creation failed", "The vendor does not say whether minutes were charged"
        ),
        4006: _ILLEGAL,
        4007: _MINUTES,
        **{code: Meaning(End.REFUSED, *said) for code, said in _SOURCES.items()},
    },
    "query": {
        **_EVERYWHERE,
        1000: Meaning(End.RUNNING, "processing"),
        -1000: Meaning(
            End.GONE, "there is no such project", "It was never made, or deleted: Vizard keeps it for 7 days"
        ),
        4002: Meaning(End.FAILED, "the clipping failed", blame="unknown"),
        4006: Meaning(
            End.GONE,
            "there is no such project, or it never began because a parameter was illegal",
            "Vizard keeps a project for 7 days",
        ),
        4007: Meaning(End.FAILED, "the account has too few minutes left", _PLAN, blame="unknown"),
        **{code: Meaning(End.FAILED, *said) for code, said in _SOURCES.items()},
    },
    "accounts": {**_EVERYWHERE, -1000: _PARAMETER},
    "publish": {
        **_EVERYWHERE,
        -1000: _PARAMETER,
        4004: Meaning(End.ACCOUNT, "publishing there needs a higher plan", _PLAN),
        4006: _ILLEGAL,
        4007: _MINUTES,
        4011: Meaning(
            End.REFUSED,
            "there is no such social account",
            "Take its id from list_social_accounts, and connect it in Vizard again if it has expired",
        ),
    },
    "caption": {
        **_EVERYWHERE,
        -1000: _PARAMETER,
        4002: Meaning(
            End.REFUSED,
            "the clip has no speech to write from",
            "Write the caption yourself, or leave it to the publishing (caption='')",
        ),
        4006: _ILLEGAL,
        4007: _MINUTES,
    },
}


def meaning(call: CallName, code: int) -> Meaning:
    """Return what a code means. A code that is not documented leaves the outcome of the call open."""
    found = TABLE[call].get(code)
    if found is not None:
        return found
    # Between "processing" and "done" an unknown code is more likely one more stage than the end of a paid
    # job.
    if call == "query" and PROCESSING < code < DONE:
        return Meaning(End.RUNNING, "not documented")
    end = End.FAILED if call == "query" else End.LOST
    return Meaning(end, "a code that Vizard does not document", blame="unknown")


def limit_wait(call: CallName) -> float:
    """Return the seconds to wait when the vendor says that there were too many requests."""
    return LIMIT_WAIT if call in ("create", "query") else OTHER_LIMIT_WAIT
