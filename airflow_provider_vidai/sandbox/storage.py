"""The vendors' object store: its files, and signed URLs to them that expire."""

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
#: The key pair id in URLs of CloudFront's form.
KEY_PAIR = "KSANDBOX0KEY0PAIR"
_CLOUDFRONT_LETTERS = str.maketrans("+=/", "-_~")
_PLAIN_LETTERS = str.maketrans("-_~", "+=/")


@dataclass
class Blob:
    """A place in the store, empty until a file is put there.

    :param account: the account that owns it; None for the vendor's own files.
    :param types: the content types allowed for an upload.
    :param public: whether it can be downloaded without a signature.
    :param until: the virtual second at which it is deleted.
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
        """Store ``content`` here."""
        self.path.write_bytes(content)
        self.mark_complete()

    def mark_complete(self) -> None:
        """Mark the file at ``path`` as complete, which makes it downloadable."""
        stat = self.path.stat()
        self.etag = (
            '"'
            + hashlib.sha256(f"{self.key} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:32]
            + '"'
        )


class Storage:
    """The files by key, and who may access them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = secrets.token_bytes(32)
        self._blobs: dict[str, Blob] = {}
        self._allowance: dict[str, int] = {}
        self._ends: dict[str, float] = {}

    def place(self, key: str, vendor: str, account: str | None, *types: str, public: bool = False) -> Blob:
        """Return the place of ``key``, made if needed.

        :raises ValueError: if the key is not a path below the data folder, or belongs to another account.
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
        """Return the place of ``key``, empty or not, or None."""
        return self._blobs.get(key)

    def drop(self, key: str) -> None:
        """Delete the file and its place."""
        blob = self._blobs.pop(key, None)
        if blob:
            blob.path.unlink(missing_ok=True)

    def sign(self, method: str, key: str, ttl: float, after_bytes: int | None = None) -> str:
        """Return a signed path that is valid for ``ttl`` seconds.

        :param after_bytes: how many bytes may be downloaded before it expires; None is no limit.
        """
        # Each URL is different, as with the real vendors, so that a client cannot take a URL for the identity
        # of a file.
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
        # The URL carries whole seconds, as CloudFront's do; fractions are honoured, so that tests wait less.
        self._ends[signature] = until
        if after_bytes is not None:
            self._allowance[signature] = after_bytes
        query = {"Expires": expires, "Signature": signature, "Key-Pair-Id": KEY_PAIR}
        return quote(key) + "?" + urlencode(query)

    def _signature(self, method: str, key: str, expires: str, nonce: str) -> str:
        return hmac.new(self._secret, "\n".join((method, key, expires, nonce)).encode(), "sha256").hexdigest()

    def refusal(self, request: Request, blob: Blob | None) -> Response | None:
        """Return the error for a request that the URL's signature does not allow, or None."""
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
        """Return how many bytes may still be downloaded with the request's URL; None is no limit."""
        return self._allowance.get(_signed_with(request.query_params)[3])

    def spend(self, request: Request, count: int) -> None:
        """Subtract ``count`` bytes from the URL's allowance."""
        self._allowance[_signed_with(request.query_params)[3]] -= count


def _signed_with(query: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Return a URL's expiry, nonce and signature (either form), and the signature as written."""
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
    """Return an error in the XML form of object stores."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{error}', status, media_type="application/xml")
