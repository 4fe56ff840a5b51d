"""What the project's own files say about one another is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.pages import PAGES, PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
SPEAKING = [*PAGES, *PROJECT.glob("*.md"), *WORKFLOWS, PROJECT / ".pre-commit-config.yaml"]
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    commands = re.findall(r"(?:^|`|: )make ([a-z][a-z -]*[a-z])", text, re.MULTILINE)
    for target in (word for command in commands for word in command.split(" ")):
        assert target in TARGETS, target


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_unless_a_job_of_it_says_otherwise(path: Path) -> None:
    workflow = _read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90, name
        for step in job["steps"]:
            assert set(step) & {"run", "uses"}, name
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_publishing_needs_no_token_and_attests_what_it_publishes() -> None:
    text = (PROJECT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    publish = _read(PROJECT / ".github" / "workflows" / "release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["steps"][-1]["with"] == {"attestations": True}


def test_the_hooks_of_pre_commit_need_no_network() -> None:
    assert {repo["repo"] for repo in _read(PROJECT / ".pre-commit-config.yaml")["repos"]} == {"local"}


@pytest.mark.parametrize(
    "path", sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name
)
def test_an_issue_template_asks_for_something_and_never_for_a_key(path: Path) -> None:
    template = _read(path)
    if path.name == "config.yml":
        assert template == {"blank_issues_enabled": True}
        return
    assert template["name"]
    assert template["description"]
    assert any(one.get("validations", {}).get("required") for one in template["body"])
    assert "without keys" in path.read_text().lower() or "leave out keys" in path.read_text().lower()


def test_what_owners_are_named_for_exists() -> None:
    lines = (PROJECT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    for pattern in patterns:
        assert pattern == "*" or (PROJECT / pattern.strip("/")).exists(), pattern


def test_where_a_change_goes_names_files_that_exist() -> None:
    table = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where a change goes")[2]
    named = re.findall(r"`([\w<>./-]*/[\w<>./-]*|\w+\.py)`", table.partition("## Rules")[0])
    assert len(named) > 30
    package = PROJECT / "airflow_provider_vidai"
    for name in named:
        path = name.replace("<vendor>", "venice").rstrip("/")
        assert (package / path).exists() or (PROJECT / path).exists(), name


def test_the_walk_of_a_job_id_names_files_that_exist_and_counts_them() -> None:
    page = (PROJECT / "docs" / "how-it-works" / "walk.md").read_text(encoding="utf-8")
    stops = re.findall(r"^\| (\d+) \| ([^|]*) \|", page, re.MULTILINE)
    assert [int(number) for number, _ in stops] == list(range(1, len(stops) + 1))
    files = [re.findall(r"`([\w/]+\.py)`", cell) for _, cell in stops]
    for name in (name for names in files for name in names):
        assert (PROJECT / "airflow_provider_vidai" / name).exists(), name
    visited = {names[0] for names in files}
    assert f"{len(stops)} stops in {len(visited)} files" in page


def test_every_page_is_in_the_sites_navigation() -> None:
    text = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"([\w/-]+\.md)", text))
    there = {path.relative_to(PROJECT / "docs").as_posix() for path in (PROJECT / "docs").rglob("*.md")}
    assert there <= listed
