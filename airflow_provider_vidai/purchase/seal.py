"""Seals secrets that a vendor returns only once, so that they can be kept where others may read them.

The ledger and XCom hold the sealed text. Whoever has the API key can open it, and could have asked the
vendor for as much; nobody else can.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_provider_vidai.errors import InputError

# What the derived key is for, and in which version: a key derived for another use is a different one.
_PURPOSE = b"airflow-provider-vidai seal 1"
# Version 0.1 derived it from the text of the header that carries the API key. Venice and Vidgo put this
# before the key, VIDIO and Vizard nothing. A ledger may hold what it sealed for as long as a vendor keeps
# the file.
_HEADER_OF_0_1 = "Bearer "
# A letter outside of ASCII shows a wrong encoding too; the host cannot exist (RFC 6761).
_PROBE = "https://seal.invalid/é"


class SealBroken(InputError):
    """A sealed text cannot be opened: another key sealed it, or it was changed."""


class Seal:
    """Seals and opens texts; two seals made from one key open each other's.

    The key itself makes the seal, so that a header that a vendor changes leaves every sealed text readable.

    :param key: the API key.
    """

    def __init__(self, key: str) -> None:
        # The first one seals; each of them opens.
        self._fernet = MultiFernet([cipher(key, _PURPOSE), cipher(_HEADER_OF_0_1 + key, _PURPOSE)])

    def close(self, text: str) -> str:
        """Return ``text`` sealed: ASCII, and different each time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the text that was sealed.

        :raises SealBroken: when it was sealed with another key, or is not a sealed text.
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
        """Check that a sealed text can be opened, before a purchase depends on it.

        :raises InputError: when it cannot.
        """
        try:
            if Seal.open(self, self.close(_PROBE)) == _PROBE:
                return
        except Exception as error:
            raise InputError(f"Secrets cannot be sealed on this machine: {error}.") from error
        raise InputError("Secrets cannot be sealed on this machine.")


def cipher(secret: str, purpose: bytes) -> Fernet:
    """Return what encrypts and signs with a key that is derived from ``secret`` for this purpose alone."""
    # Fernet wants a key of 32 random bytes. HKDF makes one from a secret of any length, and nobody can
    # compute the secret from it.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
