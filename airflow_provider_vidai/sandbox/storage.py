"""The vendors' object store: what is kept where, and signed, expiring URLs to it."""

import base64
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

NAME_BYTES = 255
#: Of this sandbox's URLs in CloudFront's form.
KEY_PAIR = "KSANDBOX0KEY0PAIR"
_CLOUDFRONT_LETTERS = str.maketrans("+=/", "-_~")
_PLAIN_LETTERS = str.maketrans("-_~", "+=/")


@dataclass
class Blob:
    """A place in the store, empty until something was put there.

    :param account: who owns it; None if it is the vendor's own.
    :param types: the content types that an upload may have.
    :param public: whether it can be had without a signature.
    :param until: the virtual second from which on it is gone, if it ever is.
    """

    key: str
    vendor: str
    account: str | None
    path: Path
    types: tuple[str, ...]
    public: bool = False
    etag: str | None = None
    until: float = math.inf

    def fill(self, content: bytes) -> None:
        """Keep ``content`` here."""
        self.path.write_bytes(content)
        self.landed()

    def landed(self) -> None:
        """Tell that the file at ``path`` is whole."""
        stat = self.path.stat()
        self.etag = (
            '"'
            + hashlib.sha256(f"{self.key} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:32]
            + '"'
        )


class Storage:
    """What is kept where, and who may touch it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = secrets.token_bytes(32)
        self._blobs: dict[str, Blob] = {}
        self._allowance: dict[str, int] = {}
        self._ends: dict[str, float] = {}

    def place(self, key: str, vendor: str, account: str | None, *types: str, public: bool = False) -> Blob:
        """Make a place for ``key``.

        :raises ValueError: if the key cannot be a path below the data folder, or belongs to another account.
        """
        parts = PurePosixPath(key).parts
        if key != "/".join(parts) or any(part in ("..", "/") or _too_long(part) for part in parts):
            raise ValueError("not a usable file name")
        there = self._blobs.get(key)
        if there and (there.vendor, there.account) != (vendor, account):
            raise ValueError("this key is taken")
        if there:
            there.types = types
            return there
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError("not a usable file name") from error
        self._blobs[key] = blob = Blob(key, vendor, account, path, types, public)
        return blob

    def get(self, key: str) -> Blob | None:
        """Return the place of ``key``, empty or not."""
        return self._blobs.get(key)

    def drop(self, key: str) -> None:
        """Delete what is kept there."""
        blob = self._blobs.pop(key, None)
        if blob:
            blob.path.unlink(missing_ok=True)

    def sign(self, method: str, key: str, ttl: float, after_bytes: int | None = None) -> str:
        """Return a signed path, good for ``ttl`` seconds.

        :param after_bytes: how much may be downloaded with it before it expires, if that is limited.
        """
        expires, nonce = str(time.time() + ttl), secrets.token_hex(8)
        signature = self._signature(method, key, expires, nonce)
        if after_bytes is not None:
            self._allowance[signature] = after_bytes
        return quote(key) + "?" + urlencode({"expires": expires, "nonce": nonce, "signature": signature})

    def sign_as_cloudfront(self, method: str, key: str, ttl: float, after_bytes: int | None = None) -> str:
        """Return a signed path as :meth:`sign` does, with the query that CloudFront's URLs have."""
        until = time.time() + ttl
        expires, nonce = str(math.ceil(until)), secrets.token_bytes(8)
        signed = nonce + bytes.fromhex(self._signature(method, key, expires, nonce.hex()))
        signature = base64.b64encode(signed).decode().translate(_CLOUDFRONT_LETTERS)
        # Whole seconds are told, and parts of one are kept: tests don't wait for long.
        self._ends[signature] = until
        if after_bytes is not None:
            self._allowance[signature] = after_bytes
        query = {"Expires": expires, "Signature": signature, "Key-Pair-Id": KEY_PAIR}
        return quote(key) + "?" + urlencode(query)

    def _signature(self, method: str, key: str, expires: str, nonce: str) -> str:
        return hmac.new(self._secret, "\n".join((method, key, expires, nonce)).encode(), "sha256").hexdigest()

    def refusal(self, request: Request, blob: Blob | None) -> Response | None:
        """Return why the URL's signature does not allow the request, if it does not."""
        if blob and blob.public and request.method == "GET":
            return None
        query, key = request.query_params, request.path_params["key"]
        expires, nonce, signature, name = _signed_with(query)
        wanted = self._signature(request.method, key, expires, nonce)
        if not hmac.compare_digest(signature.encode(), wanted.encode()):
            return complaint(403, "SignatureDoesNotMatch", "The signature does not match the request.")
        until = self._ends.get(name, float(expires))
        if until <= time.time() or self._allowance.get(name) == 0:
            return complaint(403, "AccessDenied", "Request has expired")
        return None

    def allowance(self, request: Request) -> int | None:
        """Return how many bytes may still be downloaded with the request's URL, if that is limited."""
        return self._allowance.get(_signed_with(request.query_params)[3])

    def spend(self, request: Request, count: int) -> None:
        """Take ``count`` bytes from the URL's allowance."""
        self._allowance[_signed_with(request.query_params)[3]] -= count


def _signed_with(query: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Return a URL's expiry, nonce and signature, in whichever form, and the signature as it is written."""
    written = query.get("Signature")
    if written is None:
        signature = query.get("signature", "")
        return query.get("expires", ""), query.get("nonce", ""), signature, signature
    try:
        signed = base64.b64decode(written.translate(_PLAIN_LETTERS), validate=True).hex()
    except ValueError:
        signed = ""
    return query.get("Expires", ""), signed[:16], signed[16:], written


def _too_long(part: str) -> bool:
    return "\0" in part or len(part.encode(errors="surrogateescape")) > NAME_BYTES


def complaint(status: int, code: str, message: str) -> Response:
    """Return an error as object stores word it."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{error}', status, media_type="application/xml")
