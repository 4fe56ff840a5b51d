"""The layers of the package, as a table and as a drawing, from its import contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from importlinter import api

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "airflow_provider_vidai"
#: What each part is for. A part that is missing here is drawn with its name only.
PURPOSES = {
    "events": "what wakes tasks and starts DAGs",
    "ui": "pages that show what was made",
    "cli": "the commands of airflow vidai",
    "metrics": "metrics, traces and lineage",
    "spend": "costs, budgets and books",
    "task_groups": "tasks made of others: generate, check, again",
    "quality": "whether a landed video is any good",
    "batch": "many requests in one task",
    "operators": "tasks that buy, wait, download",
    "sensors": "tasks that wait for a job",
    "triggers": "waiting without a worker",
    "hooks": "a vendor's client, and connections",
    "purchase": "buy or re-attach; when to check next",
    "stores": "where purchases are recorded",
    "net": "calls, status checks, bodies",
    "files": "storage, uploads, downloads",
    "vendors": "what each API says",
    "models": "jobs, statuses, outputs",
    "answers": "what comes from outside, cleaned",
    "arguments": "what an argument means",
    "jobs": "jobs, statuses, outputs",
    "errors": "what went wrong, what it cost",
    "redaction": "what may be shown",
}
_WIDTH, _ROW, _GAP, _LEFT = 720, 56, 12, 16


@dataclass(frozen=True)
class Floor:
    """One layer: parts that do not import one another."""

    parts: tuple[str, ...]


def contract() -> list[Floor]:
    """Return the layers from the top down."""
    found = api.read_configuration(str(PROJECT / "pyproject.toml"))["contracts_options"]
    (layers,) = [one for one in found if one["type"] == "layers"]
    floors = (
        tuple(filter(_exists, (part.strip(" ()") for part in line.split("|")))) for line in layers["layers"]
    )
    return [Floor(parts) for parts in floors if parts]


def _exists(part: str) -> bool:
    """Whether a layer that the contract names is there: it reserves the places of future ones."""
    return any((PACKAGE / name).exists() for name in (part, f"{part}.py"))


def floors_table(floors: list[Floor]) -> str:
    """Return the layers as a Markdown table, the highest first."""
    rows = ["| layer | for |\n", "|--|--|\n"]
    for floor in floors:
        names = ", ".join(f"`{part}`" for part in floor.parts)
        rows.append(
            f"| {names} | {'; '.join(PURPOSES[part] for part in floor.parts if part in PURPOSES)} |\n"
        )
    return "".join(rows)


def drawing(floors: list[Floor]) -> str:
    """Return the layers as an SVG, the highest at the top, with an arrow in the direction of imports."""
    height = len(floors) * (_ROW + _GAP) + _GAP
    body = "".join(_row(floor, number) for number, floor in enumerate(floors))
    arrow_x = _WIDTH - 22
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif">\n'
        "<title>Layers: each imports only from those below it</title>\n"
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#5c6bc0"/></marker></defs>\n'
        f"{body}"
        f'<line x1="{arrow_x}" y1="{_GAP}" x2="{arrow_x}" y2="{height - _GAP - 6}" stroke="#5c6bc0" '
        'stroke-width="2" marker-end="url(#head)"/>\n'
        "</svg>\n"
    )


def _row(floor: Floor, number: int) -> str:
    top = _GAP + number * (_ROW + _GAP)
    whole = _WIDTH - _LEFT - 50
    width = (whole - _GAP * (len(floor.parts) - 1)) / len(floor.parts)
    boxes = []
    for place, part in enumerate(floor.parts):
        left = _LEFT + place * (width + _GAP)
        middle = left + width / 2
        boxes.append(
            f'<rect x="{left:g}" y="{top}" width="{width:g}" height="{_ROW}" rx="8" fill="#e8eaf6" '
            'stroke="#5c6bc0"/>\n'
            f'<text x="{middle:g}" y="{top + 24}" text-anchor="middle" font-size="16" font-weight="600" '
            f'fill="#1a237e">{part}</text>\n'
            f'<text x="{middle:g}" y="{top + 43}" text-anchor="middle" font-size="12.5" fill="#37474f">'
            f"{PURPOSES.get(part, '')}</text>\n"
        )
    return "".join(boxes)
