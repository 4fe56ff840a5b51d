"""What the pages say and the code knows is the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from airflow_provider_vidai.provider_info import get_provider_info
from airflow_provider_vidai.sandbox.faults import KINDS
from airflow_provider_vidai.vendors.vizard.codes import TABLE
from airflow_provider_vidai.vendors.vizard.requests import Choice, ProjectRequest
from airflow_provider_vidai.vendors.vizard.values import (
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
from tests.support.pages import PAGES, PROJECT
from tools.catalogue import error_texts

pytest.importorskip("importlinter", reason="the layers are read by the tool that checks them")
from tools.docs import DOCS, GENERATED, README, UnknownTextError, with_texts
from tools.layers import Floor, drawing

pytestmark = pytest.mark.slow

GUIDES = DOCS / "guides"


# --- what is generated ------------------------------------------------------------------------


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_what_the_code_knows_stands_in_the_pages_as_the_code_has_it(path: Path) -> None:
    held = path.read_text(encoding="utf-8")
    assert GENERATED[path](held) == held, "run: python -m tools.docs"


def test_the_decision_table_has_a_row_for_whatever_can_be_found() -> None:
    page = (DOCS / "how-it-works" / "money.md").read_text(encoding="utf-8")
    assert "| job READY | REUSE |" in page


def test_an_error_that_no_entry_is_for_is_noticed() -> None:
    with pytest.raises(UnknownTextError, match="has no entry for this text"):
        with_texts("<!-- texts: no such text -->\n<!-- /texts -->\n")


def test_the_texts_of_errors_are_found_wherever_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "def check(name, found):\n"
        "    if not found:\n"
        "        raise InputError(f'{name} is ' + 'missing.')\n"
        "    why = 'the storage is full' if found > 1 else 'the storage is closed'\n"
        "    return JobError(f'{name} failed: {why}.', charged='no')\n"
    )
    assert [(one.kind, one.text) for one in error_texts(tmp_path)] == [
        ("InputError", "… is missing. Nothing was sent."),
        ("JobError", "… failed: the storage is full."),
        ("JobError", "… failed: the storage is closed."),
    ]


def test_every_entry_about_an_error_says_what_happened_what_it_cost_and_what_now() -> None:
    entries = (DOCS / "errors.md").read_text(encoding="utf-8").split("\n### ")[1:]
    assert len(entries) > 30
    for entry in entries:
        title = entry.partition("\n")[0]
        said = [entry.find(f"- **{what}.**") for what in ("What happened", "What it cost", "What now")]
        assert -1 < said[0] < said[1] < said[2], title


def test_the_layers_are_drawn_from_the_top_down() -> None:
    floors = [Floor(("operators", "sensors")), Floor(("hooks",)), Floor(("errors",))]
    shapes = ElementTree.fromstring(drawing(floors)).iter("{http://www.w3.org/2000/svg}rect")
    assert [(float(one.attrib["y"]), float(one.attrib["x"])) for one in shapes] == sorted(
        [(12.0, 16.0), (12.0, 349.0), (80.0, 16.0), (148.0, 16.0)]
    )


# --- what is written by hand ------------------------------------------------------------------


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def _prose(page: Path) -> str:
    """Return a page without its code."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and the site give to headings."""
    titles = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower() for title in titles)
    return {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", [*PAGES, *sorted(PROJECT.glob("*.md"))], ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if ":" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there), target


def test_every_field_of_a_connection_is_described() -> None:
    page = (DOCS / "reference" / "connections.md").read_text(encoding="utf-8")
    for connection in get_provider_info()["connection-types"]:
        assert f"`{connection['connection-type']}`" in page
        assert connection["ui-field-behaviour"]["placeholders"]["host"] in page
        for name, field in connection["conn-fields"].items():
            assert f"`extra.{name}`" in page
            assert f"| {field['label'].removesuffix(' (s)')} |" in page


def test_every_setting_is_described() -> None:
    page = (DOCS / "operations" / "settings.md").read_text(encoding="utf-8")
    for section, described in get_provider_info()["config"].items():
        for name in described["options"]:
            assert f"`[{section}] {name}`" in page


def test_every_fault_of_the_sandbox_is_described() -> None:
    page = (DOCS / "reference" / "sandbox.md").read_text(encoding="utf-8").partition("## Faults")[2]
    cells = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    rows = {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}
    assert rows == set(KINDS)
    for kind, options in KINDS.items():
        (row,) = [line for line in page.splitlines() if re.match(rf"\|[^|]*`{kind}`", line)]
        for option in options:
            assert f"`{option}`" in row, kind


def test_the_example_of_a_callback_runs() -> None:
    text = (GUIDES / "vidgo.md").read_text(encoding="utf-8").partition("## Callbacks")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    picture = {"file_url": "https://example.com/a.png", "file_type": "image"}
    names: dict[str, Any] = {"body": {"task_id": "made", "status": "finished", "files": [picture]}}
    exec(found[1], names)
    assert names["job_id"] == "made"
    assert [output.kind for output in names["status"].outputs] == ["image"]


VIZARD = (GUIDES / "vizard.md").read_text(encoding="utf-8")
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
