"""Hooks of the documentation site: pages from outside ``docs``, and the links that lead there.

The pages can be read as Markdown in the repository too, so their links are paths in the repository. The site
is built from ``docs`` only. This module adds the other files that it shows (the example DAGs, the changelog,
...) as pages, and turns links to any other file into plain text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DOCS = "docs"
#: Files outside ``docs`` that the site shows, and the page for each.
SHOWN = {
    "CHANGELOG.md": "project/CHANGELOG.md",
    "CONTRIBUTING.md": "project/CONTRIBUTING.md",
    "SECURITY.md": "project/SECURITY.md",
    "CODE_OF_CONDUCT.md": "project/CODE_OF_CONDUCT.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "README.md": "index.md",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def shown() -> dict[str, str]:
    """Return the page for each file outside ``docs`` that the site shows."""
    dags = {f"dags/{path.name}": f"examples/{path.stem}.md" for path in sorted(PROJECT.glob("dags/*.py"))}
    return SHOWN | dags


def linked(markdown: str, origin: str, page: str) -> str:
    """Return a page's text with its links changed to the site's.

    :param origin: the page's path in the repository.
    :param page: its path in the site.
    """
    pages = shown()

    def link(found: re.Match[str]) -> str:
        image, text, target, anchor = found[1], found[2], found[3], found[4] or ""
        if ":" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        there = pages.get(path) or (path.removeprefix(f"{DOCS}/") if path.startswith(f"{DOCS}/") else "")
        if not there:
            return text
        return f"{image}[{text}]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{anchor})"

    fence = False
    lines = []
    for line in markdown.splitlines(keepends=True):
        fence ^= line.lstrip().startswith("```")
        lines.append(line if fence else _LINK.sub(link, line))
    return "".join(lines)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in ``docs``."""
    from mkdocs.structure.files import File

    for path, page in shown().items():
        if files.get_file_from_path(page):
            continue
        text = (PROJECT / path).read_text(encoding="utf-8")
        if path.endswith(".py"):
            text = f"# {Path(path).stem}\n\n```python\n{text}```\n"
        file = File.generated(config, page, content=text)
        if path.endswith(".py"):
            from mkdocs.structure.files import InclusionLevel

            file.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Change the links of a page to the site's."""
    here = page.file.src_uri
    origin = next((path for path, there in SHOWN.items() if there == here and here != "index.md"), "")
    return linked(markdown, origin or f"{DOCS}/{here}", here)
