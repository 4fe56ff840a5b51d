"""How a secret that comes only once is kept where others may read: sealed with the account's key.

The ledger and XCom hold the sealed text. Whoever has the API key can open it, and could have asked the
vendor for as much; nobody else can.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_provider_vidai.errors import InputError

# What the derived key is for, and in which version: no other use of the API key yields the same one.
_PURPOSE = b"airflow-provider-vidai seal 1"
_PROBE = "https://seal.invalid/é"


class SealBroken(InputError):
    """A sealed text cannot be opened: another key sealed it, or it was changed."""


class Seal:
    """Seals and opens texts; two seals made from one key open each other's.

    :param key: the API key, or what carries it.
    """

    def __init__(self, key: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, text: str) -> str:
        """Return ``text`` sealed: ASCII, and different each time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the text that was sealed.

        :raises SealBroken: when it was sealed with another key, or is no sealed text.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            raise SealBroken(
                "The sealed URL of the job's file cannot be opened with this connection's API key: it was "
                "sealed with the key that bought the job. Give the task a connection with that key; the "
                "vendor keeps such a file for a day at most."
            ) from None

    def test(self) -> None:
        """Make sure that what is sealed can be opened, before something is bought that needs it.

        :raises InputError: when it can't.
        """
        try:
            if Seal.open(self, self.close(_PROBE)) == _PROBE:
                return
        except Exception as error:
            raise InputError(f"Secrets cannot be sealed on this machine: {error}.") from error
        raise InputError("Secrets cannot be sealed on this machine.")
