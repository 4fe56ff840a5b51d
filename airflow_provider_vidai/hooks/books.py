"""Reads a vendor's own books about an account, to find out what became of a purchase."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.jobs.books import Reading
from airflow_provider_vidai.net.calls import Client

__all__ = ["AccountBooks", "books_of"]


class AccountBooks:
    """The books of the account behind a hook.

    :param admin: a client with the account's admin key; None to read the balance alone.
    """

    def __init__(self, hook: VidaiHook, admin: Client | None, *, sole: bool) -> None:
        self._hook, self._admin, self.sole = hook, admin, sole

    @property
    def account(self) -> str:
        """The account's hash."""
        return self._hook.account.id

    @property
    def has_history(self) -> bool:
        """Whether they have the purchases of everybody who buys on the account."""
        return self._admin is not None

    def read(self, since: float) -> Reading:
        """Read the books.

        :param since: from when on the usage history is read, seconds since the epoch.
        :raises VidaiError: when they can't be read now.
        """
        vendor = self._hook.vendor
        books = vendor.books
        assert books is not None
        balance = books.balance(vendor)
        history = books.history(vendor, since)
        if self._admin is None or balance is None or history is None:
            return self._hook.send(books.spendable(vendor))
        # The history first: what is charged between the two calls makes them disagree, which proves nothing.
        charges = self._admin.send(history)
        return self._admin.send(balance).model_copy(update={"charges": charges})


def books_of(hook: VidaiHook) -> AccountBooks | None:
    """Return the books of the account behind ``hook``; None where they would prove nothing.

    :raises InputError: when the connection is not usable.
    """
    extra, books = hook.extra, hook.vendor.books
    if books is None:
        return None
    admin = None
    if extra.admin_api_key and books.balance(hook.vendor) is not None:
        headers = hook.vendor.key_header(extra.admin_api_key.strip())
        # Only the key differs: the proxy, the certificates and the timeout are the connection's own.
        admin = Client(replace(hook.account, key_headers=headers))
    # Where others buy too, a balance without the usage history proves nothing.
    return AccountBooks(hook, admin, sole=extra.sole_buyer) if admin or extra.sole_buyer else None
