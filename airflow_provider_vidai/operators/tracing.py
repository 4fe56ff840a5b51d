"""What a paid task records so that a purchase whose answer is lost can be found again."""

from __future__ import annotations

import time

from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.hooks.books import AccountBooks, books_of
from airflow_provider_vidai.jobs.books import Before
from airflow_provider_vidai.purchase.ledger import Ledger
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.timing import HISTORY_SECONDS

__all__ = ["books_before", "useful_books", "wanted"]

#: What a person calls a purchase of these kinds.
_NOUNS = {"generate": "job", "media": "task", "music": "task", "publish": "post"}


def useful_books(hook: VidaiHook, ledger: Ledger) -> AccountBooks | None:
    """Return the books of the account; None where they would prove nothing."""
    books = books_of(hook)
    # Without a book of what else the account buys, only a usage history can prove anything.
    return books if books is not None and (ledger.observers.know_others or books.has_history) else None


def books_before(books: AccountBooks | None, log: Log) -> Before | None:
    """Return what the books say right before a purchase, for its record."""
    if books is None:
        return None
    try:
        return Before.of(books.read(time.time() - HISTORY_SECONDS), books.account)
    except VidaiError as error:
        # The purchase goes on: without its books, it only cannot be searched for if its answer is lost.
        log.warning(
            "The account's books cannot be read, so this purchase could not be searched for: %s", error
        )
        return None


def wanted(kind: str, model: str | None, title: str | None) -> str:
    """Return what a person looks for at the vendor."""
    of, called = model and f" of {model}", title and f" called “{title}”"
    return f"a {_NOUNS.get(kind, kind)}{of or ''}{called or ''}"
