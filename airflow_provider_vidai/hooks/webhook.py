"""Whether vendors can call this deployment, and by which addresses."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.purchase.hint import Hint, hint_in, token_of
from airflow_provider_vidai.purchase.timing import MIN_POLL_SECONDS, SAFETY_NET_SECONDS

__all__ = ["PATH", "Webhook", "webhook"]

#: Where the receiver is mounted in Airflow's API server.
PATH = "/vidai-hooks"
#: The shortest secret, in characters.
SHORTEST_SECRET = 32
#: The longest URL that Vidgo accepts, in characters.
LONGEST_URL = 2048

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Webhook:
    """The addresses that vendors call.

    :param base_url: the public URL of Airflow's API server.
    """

    secret: str = field(repr=False)
    base_url: str

    def url(self, hint: Hint) -> str | None:
        """Return the address to call with ``hint``; None where it would be too long."""
        found = f"{self.base_url.rstrip('/')}{PATH}/{token_of(hint, self.secret)}"
        return found if len(found) <= LONGEST_URL else None

    def hint(self, token: str) -> Hint | None:
        """Return what a called address says; None when this deployment did not make it."""
        return hint_in(token, self.secret)


def webhook() -> Webhook | None:
    """Return how vendors can call this deployment, by ``[vidai]``; None where they cannot.

    Options that are wrong are logged, and count as none: polling finds every job too.
    """
    secret = str(conf.get("vidai", "webhook_secret", fallback="") or "").strip()
    base_url = str(conf.get("vidai", "webhook_base_url", fallback="") or "").strip()
    if not secret or not base_url:
        return None
    if len(secret) < SHORTEST_SECRET:
        log.warning("[vidai] webhook_secret has fewer than %d characters: webhooks are off.", SHORTEST_SECRET)
        return None
    if not _is_address(base_url):
        log.warning("[vidai] webhook_base_url is not a complete http(s) URL: webhooks are off.")
        return None
    return Webhook(secret, base_url)


def safety_net() -> float | None:
    """Return the least seconds between status checks of a job whose vendor calls; None: poll as usual."""
    return _safety_net() if webhook() else None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # The receiver's path is appended to it, and would become a part of a query or fragment.
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query + parts.fragment


def _safety_net() -> float | None:
    text = str(conf.get("vidai", "poll_with_webhook", fallback="") or "").strip()
    try:
        seconds = float(text) if text else SAFETY_NET_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        log.warning("[vidai] poll_with_webhook is not a number of seconds: jobs are polled as usual.")
        return None
    # 0 is a person's way to poll as if no vendor called.
    return max(seconds, MIN_POLL_SECONDS) if seconds else None
