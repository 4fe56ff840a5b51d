"""Vidgo's settings: where its documents contradict each other or are silent, each reading is a setting."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class VidgoSettings:
    """Vidgo's settings.

    :param balance: the initial balance of an account, in credits.
    :param calls_per_minute: calls other than uploads per account in any 60 seconds of real time; 0 is no
        limit. The vendor has a limit, but does not publish it.
    :param uploads_per_minute: the same for uploads.
    :param file_ttl: virtual seconds after the purchase at which a task's files are deleted.
    :param upload_ttl: the same for an upload.
    :param http_errors: whether an error's code is also the HTTP status, or only in the body.
    :param status_errors: the shape of the status call's errors: like all others, or like an upload's.
    :param names_existing: whether the refusal to make something twice names the existing task.
    :param refund_failed: whether new tasks are refunded if they fail.
    :param callback: the form of a callback's body for images and videos; for music it is always wrapped.
    :param callback_tries: the maximum number of attempts to send a callback.
    :param callback_pause: virtual seconds before the second attempt; each further pause is twice as long, up
        to ten minutes.
    :param song_seconds: the length of the first of the two songs, in seconds.
    :param short_side: the maximum short side of pictures and videos in pixels, whatever the request says;
        0 is no maximum.
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
