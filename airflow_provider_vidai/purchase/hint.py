"""What a vendor's call names: the task or the vendor whose job may have ended.

A call is only a hint. It wakes a waiting task, which then checks its job itself, so the address that a vendor
calls is worth one early status check and nothing more.
"""

from __future__ import annotations

from cryptography.fernet import InvalidToken
from pydantic import BaseModel, ConfigDict, ValidationError

from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.purchase.seal import cipher

_PURPOSE = b"airflow-provider-vidai webhook 1"
#: Characters of a fingerprint that identify a purchase among those of one task.
_PURCHASE_LENGTH = 16
#: Characters of a token, at most: three names of 250 characters, encrypted, and some room.
LONGEST_TOKEN = 4096


class Hint(BaseModel):
    """What a call's address says.

    :param task: the task that bought the job; None where all jobs of the vendor share the address.
    :param purchase: which of the task's purchases, see :func:`purchase_key`.
    """

    model_config = ConfigDict(frozen=True)

    vendor: VendorName
    task: TaskKey | None = None
    purchase: str | None = None


def purchase_key(fingerprint: str) -> str:
    """Return what identifies a purchase among those of its task."""
    return fingerprint[-_PURCHASE_LENGTH:]


def token_of(hint: Hint, secret: str) -> str:
    """Return ``hint`` encrypted and signed, as a part of a URL's path."""
    text = hint.model_dump_json(exclude_none=True)
    return cipher(secret, _PURPOSE).encrypt(text.encode()).decode()


def hint_in(token: str, secret: str) -> Hint | None:
    """Return the hint in a token; None when the token was not made with ``secret``."""
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        # This compares the signature in constant time.
        return Hint.model_validate_json(cipher(secret, _PURPOSE).decrypt(token.encode()))
    except (InvalidToken, ValidationError, ValueError):
        return None
