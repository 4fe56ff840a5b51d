"""What the README says and the code knows is the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_vidai.vendors.vizard_codes import TABLE
from airflow_provider_vidai.vendors.vizard_models import Choice, ProjectRequest
from airflow_provider_vidai.vendors.vizard_words import (
    ASPECT_RATIOS,
    CLIP_MODELS,
    EXTENSIONS,
    LANGUAGES,
    LENGTHS,
    PLATFORMS,
    SOURCE_HOSTS,
    SOURCES,
    TONES,
    VOICES,
)
from tools.docs import README, with_tables


def test_the_readmes_decision_table_is_the_one_the_code_uses() -> None:
    text = README.read_text()
    assert with_tables(text) == text, "run: python -m tools.docs"


def test_the_example_of_a_callback_runs() -> None:
    text = (README.parent / "docs" / "vidgo.md").read_text().partition("## Callbacks")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    picture = {"file_url": "https://example.com/a.png", "file_type": "image"}
    names: dict[str, Any] = {"body": {"task_id": "made", "status": "finished", "files": [picture]}}
    exec(found[1], names)
    assert names["job_id"] == "made"
    assert [output.kind for output in names["status"].outputs] == ["image"]


VIZARD = (README.parent / "docs" / "vizard.md").read_text()
KNOWN = [
    *(f"| `{code}` |" for code in LANGUAGES),
    *(f"`{word}`" for words in (SOURCES, LENGTHS, ASPECT_RATIOS, PLATFORMS, TONES, VOICES) for word in words),
    *(f"`{ext}`" for ext in (*EXTENSIONS, *CLIP_MODELS)),
    *SOURCE_HOSTS,
    *(f"`{name}`" for name in (*ProjectRequest.model_fields, *Choice.model_fields)),
    *(f"| {code} " for code in sorted({code for codes in TABLE.values() for code in codes})),
]


@pytest.mark.parametrize("word", KNOWN)
def test_the_page_about_vizard_has_every_word_that_the_code_knows(word: str) -> None:
    assert word in VIZARD
