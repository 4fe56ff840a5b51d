"""Adds the project's URLs, and makes the README's relative links work on a package index.

With ``VIDAI_REPOSITORY_URL`` (and ``VIDAI_REPOSITORY_REF``, a tag) all of them lead to the repository at that
tag; the release workflow sets both. Without it the repository is unknown: a link becomes its text, an image
is left out, and the metadata has no URLs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^)\s]+)\)")


def absolute(text: str, repository: str, ref: str) -> str:
    """Return a README without relative links."""

    def link(found: re.Match[str]) -> str:
        image, words, target = found.groups()
        if ":" in target or target.startswith("#"):
            return found[0]
        if not repository:
            return "" if image else words
        kind = "raw" if image else "blob"
        return f"{image}[{words}]({repository}/{kind}/{ref}/{target})"

    return _LINK.sub(link, text)


def urls(repository: str, ref: str) -> dict[str, str]:
    """Return the project's URLs; Airflow's list of providers links to "Documentation"."""
    if not repository:
        return {}
    return {
        "Documentation": f"{repository}/blob/{ref}/docs/index.md",
        "Release notes": f"{repository}/blob/{ref}/CHANGELOG.md",
        "Source": f"{repository}/tree/{ref}",
    }


class Project(MetadataHookInterface):
    """Hatchling's hook."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme and the URLs."""
        repository = os.environ.get("VIDAI_REPOSITORY_URL", "").rstrip("/")
        ref = os.environ.get("VIDAI_REPOSITORY_REF") or "HEAD"
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository, ref)}
        metadata["urls"] = urls(repository, ref)
