"""Generates the parts of the pages that the code itself knows: ``python -m tools.docs`` rewrites them.

The decision table comes from the data that decides, the texts of errors from the source, and the drawing of
the layers from the import contract.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from airflow_provider_vidai.purchase.decide import TABLE, Occasion
from tools.catalogue import ErrorText, error_texts
from tools.layers import contract, drawing, floors_table

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
DOCS = PROJECT / "docs"
MONEY = DOCS / "how-it-works" / "money.md"
LAYERS = DOCS / "how-it-works" / "layers.md"
LAYERS_DRAWING = DOCS / "how-it-works" / "layers.svg"
ERRORS = DOCS / "errors.md"
_ENTRY = re.compile(r"(<!-- texts: ([^\n]*) -->\n).*?(<!-- /texts -->)", re.DOTALL)


class UnknownTextError(LookupError):
    """An error has a text for which the page has no entry."""


def decision_table() -> str:
    """Return the decision table as Markdown, from the data that decides."""
    head = ["what is found", *(occasion.value for occasion in Occasion)]
    rows = [[found.value, *map(str, cells)] for found, cells in TABLE.items()]
    lines = [head, ["--"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def with_block(text: str, name: str, block: str) -> str:
    """Return a page's text with the part between two comments replaced."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = text.split(begin)
    return before + begin + block + end + rest.split(end)[1]


def with_texts(text: str) -> str:
    """Return the page of errors with the code's texts, each in the first entry whose pattern matches it.

    :raises UnknownTextError: for a text that no entry matches.
    """
    entries = [re.compile(found[2]) for found in _ENTRY.finditer(text)]
    listed: list[list[ErrorText]] = [[] for _ in entries]
    for one in error_texts():
        places = [number for number, pattern in enumerate(entries) if pattern.search(str(one))]
        if not places:
            raise UnknownTextError(f"{ERRORS.name} has no entry for this text: {one}")
        listed[places[0]].append(one)
    lists = iter(listed)

    def filled(found: re.Match[str]) -> str:
        texts = dict.fromkeys(one.text for one in next(lists))
        return found[1] + "".join(f"> - `{one}`\n" for one in texts) + found[3]

    return _ENTRY.sub(filled, text)


def with_layers(text: str) -> str:
    """Return the page about the layers with its table."""
    return with_block(text, "layers", floors_table(contract()))


#: For each generated file, a function from its current text to the text that it must have.
GENERATED: dict[Path, Callable[[str], str]] = {
    MONEY: lambda text: with_block(text, "decision table", decision_table()),
    LAYERS: with_layers,
    LAYERS_DRAWING: lambda _: drawing(contract()),
    ERRORS: with_texts,
}


def stale() -> list[Path]:
    """Return the files that are out of date."""
    return [path for path, generate in GENERATED.items() if generate(_current(path)) != _current(path)]


def _current(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    """Rewrite the files that are out of date."""
    try:
        for path in stale():
            path.write_text(GENERATED[path](_current(path)), encoding="utf-8")
            print(f"rewritten: {path.relative_to(PROJECT)}")
    except UnknownTextError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
