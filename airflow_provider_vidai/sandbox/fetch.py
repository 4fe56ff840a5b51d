"""Fetching the media that a request points to: data URIs and web addresses."""

import base64
import binascii
import ipaddress
import shutil
import socket
import urllib.request
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

TIMEOUT = 20


class Unreadable(Exception):
    """Nothing could be read from the address."""


def fetch(url: str, path: Path) -> Path:
    """Save the content of the address at ``path``.

    :raises Unreadable: if it cannot be read; the message says why.
    """
    if url.startswith("data:"):
        path.write_bytes(_inline(url))
        return path
    if urlsplit(url).scheme not in ("http", "https"):
        raise Unreadable("only data, http and https addresses can be read")
    request = urllib.request.Request(url, headers={"user-agent": "sandbox"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, path.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
    except (OSError, ValueError) as error:
        raise Unreadable(f"{urlsplit(url).hostname} did not deliver it: {error}") from error
    return path


def _inline(url: str) -> bytes:
    head, comma, content = url.partition(",")
    if not comma:
        raise Unreadable("the data URI has no data")
    if not head.endswith(";base64"):
        return unquote_to_bytes(content)
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise Unreadable("the data URI is not valid base64") from error


def is_private(url: str) -> bool:
    """Return whether a web address points into a private network."""
    host = urlsplit(url).hostname
    if url.startswith("data:") or not host:
        return False
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(not ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)
