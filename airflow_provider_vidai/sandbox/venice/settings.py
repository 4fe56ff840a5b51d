"""Venice's settings: where its documents contradict each other or are silent, each reading is a setting."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class VeniceSettings:
    """Venice's settings.

    :param balance: the initial balance of an account, in USD.
    :param queue_per_minute: calls per account in any 60 seconds of real time; 0 is no limit.
    :param retrieve_per_minute: the same for retrieve.
    :param share_per_minute: the same for each download link.
    :param error_budget: 4xx answers per account and model within 30 seconds, after which it is blocked for 30
        seconds; 0 is no limit.
    :param reset_unit: the unit of ``x-ratelimit-reset-requests``.
    :param delivery: how new jobs are delivered: as the model does, by the MP4 as retrieve's answer
        (``inline``), by a link that the purchase returns, or by a ``url`` in retrieve's answer.
    :param complete: what ``complete`` does: ``live`` rejects every id, ``documented`` deletes,
        ``unsuccessful`` answers that it could not.
    :param completed_times: whether a ``COMPLETED`` answer contains both execution times.
    :param content_length: whether an MP4 has a ``Content-Length``.
    :param share_ranges: whether download links support ``Range`` requests.
    :param missing_model: the status for a request that names no model.
    :param strict: whether queue refuses fields that the model does not support.
    :param private_urls: whether media URLs may point into private networks. The vendor refuses them, but the
        sandbox itself is in one.
    :param refund_failed: whether new jobs are refunded if they fail.
    :param refusal: the shape of a failed job's error: an object, or a text beside ``credits_refunded``.
    :param transcriptions: whether the retired endpoint still answers.
    :param retires: a model that is being retired, as the catalogue and the headers of queue and quote say.
    :param retires_in: real seconds until it is retired; at 0, ``replacement`` serves its requests: queue's
        answer names it, and retrieve expects it.
    :param replacement: the model that takes its place.
    :param pays_with: what purchases are paid with, as the balance says; the sandbox always takes USD.
    :param usage_lag: real seconds after which a charge appears in the usage history.
    :param media_ttl: virtual seconds after which jobs and links are deleted.
    :param media_bytes: the size to which videos are padded; 0 is no padding.
    :param short_side: the maximum short side of videos in pixels, whatever the request says; 0 is no
        maximum. Small videos make load tests cheap.
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
    pays_with: Literal["USD", "DIEM", "BUNDLED_CREDITS"] = "USD"
    usage_lag: float = 0.0
    media_ttl: float = 86_400.0
    media_bytes: int = 0
    short_side: int = 0
