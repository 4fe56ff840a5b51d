"""Makes the README's links good on a package index, where its relative ones lead nowhere.

With ``VIDAI_REPOSITORY_URL`` (and ``VIDAI_REPOSITORY_REF``, a tag) they lead to the repository at that tag;
the release workflow sets both. Without it nobody knows where the repository is: a link becomes its text, and
an image is left out.
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


class Readme(MetadataHookInterface):
    """Hatchling's hook."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme."""
        repository = os.environ.get("VIDAI_REPOSITORY_URL", "").rstrip("/")
        ref = os.environ.get("VIDAI_REPOSITORY_REF") or "HEAD"
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository, ref)}
