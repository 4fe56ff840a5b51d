"""Vidgo's uploads: one picture per call, as base64, from a web address, or as a form."""

import asyncio
import base64
import binascii
import re
import secrets
from datetime import datetime, timedelta, timezone
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.fetch import Unreadable, fetch
from airflow_provider_vidai.sandbox.media.source import MediaError, probe
from airflow_provider_vidai.sandbox.vidgo.wire import VENDOR, Context, Refused
from airflow_provider_vidai.sandbox.wire import JSON

#: The signatures of pictures: offset, bytes, type, suffix.
PICTURES = (
    (0, b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (0, b"\x89PNG", "image/png", ".png"),
    (0, b"GIF8", "image/gif", ".gif"),
    (8, b"WEBP", "image/webp", ".webp"),
)
#: The signatures of files that are refused with their type.
OTHERS = (
    (4, b"ftyp", "video/mp4"),
    (0, b"<svg", "image/svg+xml"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"WAVE", "audio/wav"),
    (0, b"BM", "image/bmp"),
)
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,")


async def base64_upload(context: Context) -> Response:
    """Store a picture that is sent as base64 text."""
    body = await context.json()
    text = body.get("base64_data")
    if not isinstance(text, str) or not text:
        raise _missing("base64_data")
    if text.startswith("data:"):
        found = _DATA_URL.match(text)
        if not found:
            raise Refused(400, "Invalid data URL format")
        text = text[found.end() :]
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "Invalid Base64 encoding") from None
    return await _kept(context, content, body, "")


async def url_upload(context: Context) -> Response:
    """Store a picture from a web address."""
    body = await context.json()
    url = body.get("file_url")
    if not isinstance(url, str) or not url:
        raise _missing("file_url")
    if not url.startswith(("http://", "https://")):
        raise Refused(400, "Invalid URL: only http and https are supported")
    path = context.exchange.world.folder / f"{secrets.token_hex(8)}.fetched"
    try:
        await asyncio.to_thread(fetch, url, path)
        content = await asyncio.to_thread(path.read_bytes)
    except Unreadable as error:
        raise Refused(400, f"Failed to download file: {error}") from error
    finally:
        path.unlink(missing_ok=True)
    return await _kept(context, content, body, PurePosixPath(url.partition("?")[0]).name)


async def stream_upload(context: Context) -> Response:
    """Store a picture that is sent in a form."""
    request = context.exchange.request
    form = _form(request.headers.get("content-type", ""), await request.body())
    if "file" not in form:
        raise _missing("file")
    name, content = form["file"]
    fields = {key: value.decode(errors="replace") for key, (_, value) in form.items() if key != "file"}
    options = {
        "upload_path": fields.get("upload_path", fields.get("uploadPath")),
        "file_name": fields.get("file_name", fields.get("fileName")),
    }
    return await _kept(context, content, options, name or "")


def _missing(name: str) -> Refused:
    detail = [{"loc": ["body", name], "msg": "Field required", "type": "missing"}]
    return Refused(422, "Field required", "missing", detail=detail)


def _form(content_type: str, body: bytes) -> dict[str, tuple[str | None, bytes]]:
    """Return a form's fields by name: the file's name, if it is a file, and the bytes."""
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        return {}
    found: dict[str, tuple[str | None, bytes]] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]:
        top, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        field = Message()
        for line in top.decode(errors="replace").split("\r\n"):
            name, _, value = line.partition(":")
            field[name] = value.strip()
        called = field.get_param("name", header="content-disposition")
        if isinstance(called, str):
            found[called] = (field.get_filename(), content)
    return found


async def _kept(context: Context, content: bytes, fields: dict[str, Any], original: str) -> Response:
    """Store a picture under ``temp/``, publicly, for ``upload_ttl`` seconds."""
    kind, ending = _examined(content)
    world = context.exchange.world
    stamp = f"{datetime.now(timezone.utc):%Y%m%d%H%M%S}_{secrets.token_urlsafe(6)}{ending}"
    name = _plain(fields.get("file_name")) or stamp
    folder = "/".join(filter(None, ("temp", *(_plain(part) for part in _parts(fields.get("upload_path"))))))
    key = f"{VENDOR}/{folder}/{name}"
    try:
        blob = world.storage.place(key, VENDOR, context.account, kind, public=True)
    except ValueError as error:
        raise Refused(400, f"Invalid file name: {error}") from error
    blob.fill(content)
    blob.until = world.clock.now() + context.settings.upload_ttl
    try:
        await asyncio.to_thread(probe, Path(blob.path))
    except MediaError:
        world.storage.drop(key)
        raise Refused(400, "Invalid file data") from None
    url = f"{context.exchange.request.base_url}storage/{key}"
    described = {
        "file_id": secrets.token_hex(16),
        "file_name": name,
        "original_name": original or name,
        "file_size": len(content),
        "mime_type": kind,
        "upload_path": folder,
        "file_url": url,
        "download_url": url,
        **_times(context.settings.upload_ttl),
    }
    return JSON({"success": True, "code": 200, "msg": "File uploaded successfully", "data": described})


def _times(ttl: float) -> dict[str, str]:
    now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
    lasts = timedelta(seconds=min(ttl, 1e8))
    return {"upload_time": now.isoformat(), "expires_at": (now + lasts).isoformat()}


def _examined(content: bytes) -> tuple[str, str]:
    """Return a picture's type and suffix.

    :raises Refused: if its type is not accepted.
    """
    if not content:
        raise Refused(400, "Invalid file data")
    for at, mark, kind, ending in PICTURES:
        if content[at : at + len(mark)] == mark:
            return kind, ending
    for at, mark, kind in OTHERS:
        if content[at : at + len(mark)] == mark:
            raise Refused(400, f"Unsupported file type: {kind}")
    raise Refused(400, "Unsupported file type: application/octet-stream")


def _parts(path: Any) -> list[str]:
    return path.split("/") if isinstance(path, str) else []


def _plain(name: Any) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip(".") if isinstance(name, str) else ""
