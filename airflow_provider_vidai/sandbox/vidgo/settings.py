"""What can be tuned of Vidgo: where its documents disagree or are silent, each reading is a setting."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class VidgoSettings:
    """Vidgo's settings.

    :param balance: credits that an account has before it buys anything.
    :param calls_per_minute: calls in any 60 seconds, of an account, that are no uploads; 0 is no limit (the
        vendor has one, and does not say which). Limits run in real time.
    :param uploads_per_minute: the same, of uploads.
    :param file_ttl: virtual seconds after the purchase from which on a task's files are gone.
    :param upload_ttl: the same, of uploads.
    :param http_errors: whether an error's code is the answer's HTTP status too, or only in its body.
    :param status_errors: the shape of an error of the status page: like all others, or like an upload's.
    :param names_existing: whether the refusal to make again what is there names the task that made it.
    :param refund_failed: whether tasks bought from now on are given back if they fail.
    :param callback: the form of a callback's body for images and videos (of music it is always wrapped).
    :param callback_tries: how often a callback is sent at most.
    :param callback_pause: seconds before it is sent again for the first time, doubled each time up to ten
        minutes; they go by as fast as jobs do.
    :param song_seconds: how long the first of two songs is.
    :param short_side: pictures and films are no larger than this on their short side, whatever was asked
        for; 0 is as asked for.
    """

    balance: float = 10_000.0
    calls_per_minute: int = 0
    uploads_per_minute: int = 5
    file_ttl: float = 86_400.0
    upload_ttl: float = 259_200.0
    http_errors: bool = True
    status_errors: Literal["error", "detail"] = "detail"
    names_existing: bool = False
    refund_failed: bool = True
    callback: Literal["flat", "wrapped"] = "flat"
    callback_tries: int = 6
    callback_pause: float = 1.0
    song_seconds: float = 24.0
    short_side: int = 0
