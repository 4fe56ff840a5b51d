"""What can be tuned of Venice: where its documents disagree or are silent, each reading is a setting."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class VeniceSettings:
    """Venice's settings.

    :param balance: USD that an account has before it buys anything.
    :param queue_per_minute: calls in any 60 seconds, of an account; 0 is no limit. Limits run in real time.
    :param retrieve_per_minute: the same.
    :param share_per_minute: the same, of one download link.
    :param error_budget: 4xx answers within 30 seconds, of an account and a model, before it is blocked for 30
        seconds; 0 is no limit.
    :param reset_unit: of ``x-ratelimit-reset-requests``.
    :param delivery: of what is bought from now on: as the model has it, the MP4 as the answer of retrieve,
        a link that comes with the purchase, or a ``url`` in the answer of retrieve.
    :param complete: ``live`` knows no id, ``documented`` deletes, ``unsuccessful`` says it could not.
    :param completed_times: whether ``COMPLETED`` comes with both execution times.
    :param content_length: whether the length of an MP4 is told.
    :param share_ranges: whether a download link serves ranges.
    :param missing_model: the status for a request that names no model.
    :param strict: whether queue refuses fields that the model does not know.
    :param private_urls: whether media URLs may point into private networks (the vendor refuses them, but a
        sandbox lives in one).
    :param refund_failed: whether jobs bought from now on are refunded if they fail.
    :param refusal: the shape of a failed job's error: an object, or a text beside ``credits_refunded``.
    :param transcriptions: whether the retired endpoint still answers.
    :param retires: a model that is being retired: the catalogue says so, and headers of queue and quote.
    :param retires_in: real seconds from now until then; at 0 it is retired, and requests for it are served
        by ``replacement``, which the answer of queue names and retrieve wants.
    :param replacement: the model that takes its place.
    :param media_ttl: virtual seconds after which jobs and links are gone.
    :param media_bytes: films are filled up to this size with nothing.
    :param short_side: films are no larger than this on their short side, whatever was asked for; 0 is as
        asked for. Small films make load tests cheap.
    """

    balance: float = 1000.0
    queue_per_minute: int = 40
    retrieve_per_minute: int = 120
    share_per_minute: int = 30
    error_budget: int = 50
    reset_unit: Literal["ms", "s"] = "ms"
    delivery: Literal["model", "inline", "link", "url"] = "model"
    complete: Literal["live", "documented", "unsuccessful"] = "live"
    completed_times: bool = False
    content_length: bool = True
    share_ranges: bool = False
    missing_model: Literal["400", "404"] = "400"
    strict: bool = True
    private_urls: bool = True
    refund_failed: bool = True
    refusal: Literal["object", "text"] = "object"
    transcriptions: Literal["retired", "live"] = "retired"
    retires: str = ""
    retires_in: float = 604_800.0
    replacement: str = ""
    media_ttl: float = 86_400.0
    media_bytes: int = 0
    short_side: int = 0
