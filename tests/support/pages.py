"""The Python code blocks of the README and of the documentation's pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of Python.

    :param page: the page's path, relative to the project.
    """

    page: str
    number: int
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"

    @property
    def dag_id(self) -> str | None:
        """The id of the DAG that the block defines, or None if it is not a whole DAG."""
        found = re.search(r'^with DAG\(\s*dag_id="(\w+)"', self.code, re.MULTILINE)
        return found[1] if found else None

    @property
    def is_test(self) -> bool:
        """Whether the block contains tests for pytest."""
        return re.search(r"^def test_", self.code, re.MULTILINE) is not None


def blocks() -> list[Block]:
    """Return all blocks of Python, page by page."""
    return [
        Block(str(page.relative_to(PROJECT)), number, found[1])
        for page in PAGES
        for number, found in enumerate(_BLOCK.finditer(page.read_text(encoding="utf-8")), start=1)
    ]
