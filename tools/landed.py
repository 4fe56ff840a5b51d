"""The files that a run downloaded: found in its XComs, listed in a table, shown on a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import av
from PIL import Image, ImageDraw

from tools.rest import Run

_COLUMNS, _ROWS, _THUMB_WIDTH, _GAP = 4, 3, 320, 6


def landed_files(run: Run) -> list[dict[str, Any]]:
    """Return the files that tasks downloaded: ``{uri, bytes, sha256, duration, width, height, ...}``."""
    files = []
    for entry in run.xcoms():
        value = run.xcom(entry["task_id"], entry["key"], entry["map_index"])
        value = value.get("files", value) if isinstance(value, dict) else value
        candidates = value if isinstance(value, list) else [value]
        files += [c for c in candidates if isinstance(c, dict) and {"uri", "sha256"} <= c.keys()]
    # A task that passes on what it was given leaves the same file in another XCom.
    return list({file["uri"]: file for file in files}.values())


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in columns; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def file_rows(files: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the table of downloaded files."""
    rows = [["file", "length", "size", "resolution"]]
    for file in files:
        length = file.get("duration")
        rows.append(
            [
                str(local_path(file["uri"]) or file["uri"]),
                "" if length is None else f"{length:.2f} s",
                f"{file['bytes'] / 1e6:.2f} MB",
                f"{file['width']}x{file['height']}" if file.get("width") else "",
            ]
        )
    return rows


def book_rows(entries: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the table of what the sandbox sold."""
    rows = [["job bought", "charged", "state", "id"]]
    for entry in entries:
        charged = "refunded" if entry["refunded"] else json.dumps(entry["charged"])
        if entry["charged"] is True and not entry["refunded"]:
            charged = f"{entry['amount']:g} {entry['currency']}"
        rows.append([f"{entry['vendor']} {entry['kind']}", charged, entry["state"], entry["job_id"]])
    return rows


def local_path(uri: str) -> Path | None:
    """Return the path of a file on this machine, None for one elsewhere."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def contact_sheet(video: Path) -> Path:
    """Draw frames from all over a video, with their times, on one PNG next to it."""
    target = video.with_suffix(".contact-sheet.png")
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        height = _THUMB_WIDTH * stream.height // stream.width
        duration = float((container.duration or 0) / av.time_base)
        times = [duration * (n + 0.5) / (_COLUMNS * _ROWS) for n in range(_COLUMNS * _ROWS)]
        sheet = Image.new("RGB", (_COLUMNS * (_THUMB_WIDTH + _GAP) + _GAP, _ROWS * (height + _GAP) + _GAP))
        frames = container.decode(stream)
        frame = next(frames)
        for n, moment in enumerate(times):
            while frame.time < moment and (following := next(frames, None)) is not None:
                frame = following
            thumb = frame.to_image(width=_THUMB_WIDTH, height=height)
            pen = ImageDraw.Draw(thumb)
            pen.text((6, 4), f"{frame.time:.2f} s", fill="white", stroke_width=1, stroke_fill="black")
            row, column = divmod(n, _COLUMNS)
            sheet.paste(thumb, (_GAP + column * (_THUMB_WIDTH + _GAP), _GAP + row * (height + _GAP)))
    sheet.save(target)
    return target
