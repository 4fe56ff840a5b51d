"""Draws the picture at the head of the README: one run of the demo, and the video that it made.

``python -m tools.picture VIDEO`` takes the run's times from the expected output in the quickstart page, so
that page and picture are of the same run, and the frames from the video that ``make demo`` downloaded.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import av

PROJECT = Path(__file__).resolve().parent.parent
QUICKSTART = PROJECT / "docs" / "start" / "quickstart.md"
PICTURE = PROJECT / "docs" / "demo.svg"
_LINE = re.compile(r"^ *(\d+):(\d\d)  (\S+) +(running|deferred|success)", re.MULTILINE)
_BUSY, _WAITING = "#3949ab", "#c5cae9"
_WIDTH, _LEFT, _RIGHT, _ROW = 760, 110, 56, 30
_FRAMES, _FRAME_WIDTH = 4, 176


@dataclass
class Bar:
    """One task: when a worker was busy with it, and when it waited without one."""

    name: str
    spans: list[tuple[int, int, str]] = field(default_factory=list)


def bars(output: str) -> list[Bar]:
    """Return the tasks of a run from the output of the demo."""
    found: dict[str, Bar] = {}
    since: dict[str, tuple[int, str]] = {}
    for minutes, seconds, name, state in _LINE.findall(output):
        moment = int(minutes) * 60 + int(seconds)
        bar = found.setdefault(name, Bar(name))
        if name in since:
            start, before = since[name]
            if before == state == "deferred":
                continue  # it waits on, and only its status has changed
            bar.spans.append((start, moment, _BUSY if before == "running" else _WAITING))
        since[name] = (moment, state)
    return list(found.values())


def frames(video: Path) -> list[bytes]:
    """Return some frames from all over a video, as small JPEGs."""
    made = []
    with av.open(str(video)) as container:
        length = float((container.duration or 0) / av.time_base)
        wanted = [length * (number + 0.5) / _FRAMES for number in range(_FRAMES)]
        for frame in container.decode(video=0):
            if wanted and frame.time >= wanted[0]:
                wanted.pop(0)
                height = _FRAME_WIDTH * frame.height // frame.width
                kept = io.BytesIO()
                frame.to_image(width=_FRAME_WIDTH, height=height).save(kept, "JPEG", quality=72)
                made.append(kept.getvalue())
    return made


def drawing(run: list[Bar], pictures: list[bytes]) -> str:
    """Return the SVG."""
    first = min(start for bar in run for start, _, _ in bar.spans)
    last = max(end for bar in run for _, end, _ in bar.spans)
    scale = (_WIDTH - _LEFT - _RIGHT) / (last - first)
    top = 44
    rows = "".join(_row(bar, top + number * _ROW, first, scale) for number, bar in enumerate(run))
    below = top + len(run) * _ROW + 18
    strip = "".join(_frame(picture, number, below) for number, picture in enumerate(pictures))
    height = below + (112 if pictures else 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="14">\n'
        "<title>One run of the demo: a worker is busy for seconds, and waiting needs none</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="#ffffff"/>\n'
        f'<rect x="{_LEFT}" y="14" width="14" height="14" rx="3" fill="{_BUSY}"/>'
        f'<text x="{_LEFT + 20}" y="26" fill="#37474f">a worker is busy</text>\n'
        f'<rect x="{_LEFT + 150}" y="14" width="14" height="14" rx="3" fill="{_WAITING}"/>'
        f'<text x="{_LEFT + 170}" y="26" fill="#37474f">the vendor works; no worker waits</text>\n'
        f"{rows}{strip}</svg>\n"
    )


def _row(bar: Bar, top: int, first: int, scale: float) -> str:
    drawn = [f'<text x="{_LEFT - 12}" y="{top + 16}" text-anchor="end" fill="#1a237e">{bar.name}</text>\n']
    for start, end, colour in bar.spans:
        left, width = _LEFT + (start - first) * scale, max((end - start) * scale, 3)
        drawn.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="22" rx="3" fill="{colour}"/>\n'
        )
    end = max(end for _, end, _ in bar.spans)
    begin = min(start for start, _, _ in bar.spans)
    beyond = _LEFT + (end - first) * scale + 6
    drawn.append(
        f'<text x="{beyond:.1f}" y="{top + 16}" fill="#607d8b" font-size="12">{end - begin} s</text>\n'
    )
    return "".join(drawn)


def _frame(picture: bytes, number: int, top: int) -> str:
    data = base64.b64encode(picture).decode()
    left = 16 + number * (_FRAME_WIDTH + 8)
    return (
        f'<image x="{left}" y="{top}" width="{_FRAME_WIDTH}" height="99" '
        f'href="data:image/jpeg;base64,{data}"/>\n'
    )


def main() -> None:
    """Draw the picture again."""
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description=__doc__)
    parser.add_argument("video", type=Path, help="the video that the demo downloaded")
    run = bars(QUICKSTART.read_text(encoding="utf-8"))
    PICTURE.write_text(drawing(run, frames(parser.parse_args().video)), encoding="utf-8")
    print(f"{PICTURE.relative_to(PROJECT)}: {PICTURE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
