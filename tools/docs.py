"""Keeps the parts of the README that the code itself knows: ``python -m tools.docs`` rewrites them."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_vidai.lifecycle.decide import TABLE, Occasion

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- decision table -->\n", "<!-- /decision table -->"


def decision_table() -> str:
    """Return the decision table as Markdown, from the data that decides."""
    head = ["what is found", *(occasion.value for occasion in Occasion)]
    rows = [[found.value, *map(str, cells)] for found, cells in TABLE.items()]
    lines = [head, ["--"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def with_tables(text: str) -> str:
    """Return the README's text with its tables up to date."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + decision_table() + END + rest.split(END)[1]


def main() -> None:
    """Rewrite the README where it is not up to date."""
    README.write_text(with_tables(README.read_text()))


if __name__ == "__main__":
    main()
