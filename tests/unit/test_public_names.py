"""What users import keeps importing, and examples use nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_vidai.provider_info import get_provider_info
from tests.support.pages import PROJECT, Block, blocks

NAMES: dict[str, list[str]] = json.loads((Path(__file__).parent / "public_names.json").read_text())
PUBLIC = re.compile(
    r"airflow_provider_vidai\.(batch|events|operators|sensors|hooks|triggers|quality|task_groups|errors|models|preload|sandbox"
    r"|spend\.plan)"
    r"(\.[a-z]\w*)*$"
)
ROOMS = ("operators", "sensors", "hooks", "triggers")
MODULES = sorted(
    f"airflow_provider_vidai.{room}.{path.stem}"
    for room in ROOMS
    for path in (PROJECT / "airflow_provider_vidai" / room).glob("*.py")
    if not path.stem.startswith("_")
)


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in NAMES.items() for name in names]
)
def test_a_public_name_imports(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_every_module_that_airflow_knows_is_in_the_list() -> None:
    info = get_provider_info()
    known = {module for room in ROOMS for entry in info[room] for module in entry["python-modules"]}
    assert known <= set(NAMES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_is_public_in_it(module: str) -> None:
    found = importlib.import_module(module)
    assert found.__all__
    for name in found.__all__:
        assert not name.startswith("_")
        assert hasattr(found, name)


def private_names(code: str) -> list[str]:
    """Return what ``code`` imports or uses of this package that is not public."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_vidai"):
            names = [alias.name for alias in node.names]
            if not PUBLIC.match(str(node.module)) or any(name.startswith("_") for name in names):
                found.append(f"{node.module}: {', '.join(names)}")
        elif isinstance(node, ast.Import):
            found += [
                alias.name
                for alias in node.names
                if alias.name.startswith("airflow_provider_vidai") and not PUBLIC.match(alias.name)
            ]
        elif isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            found.append(f".{node.attr}")
    return found


@pytest.mark.parametrize("path", sorted((PROJECT / "dags").glob("*.py")), ids=lambda path: path.name)
def test_an_example_dag_uses_only_public_names(path: Path) -> None:
    assert private_names(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_a_page_can_be_parsed_and_uses_only_public_names(block: Block) -> None:
    assert private_names(block.code) == []


def test_a_private_name_is_noticed() -> None:
    code = (
        "import airflow_provider_vidai.net.calls\n"
        "from airflow_provider_vidai._compat import conf\n"
        "from airflow_provider_vidai.hooks.vidio import _checked\n"
        "from airflow_provider_vidai.hooks.vidio import VidioHook\n"
        "VidioHook()._renders\n"
    )
    assert len(private_names(code)) == 4


# --- the operators' docstrings ---------------------------------------------------------------


def _tasks() -> list[Any]:
    found = []
    for module, names in NAMES.items():
        for name in names:
            one = getattr(importlib.import_module(module), name)
            base = module.endswith((".base", ".paid", ".download", ".vendor"))
            if isinstance(one, type) and issubclass(one, (BaseOperator, BaseSensorOperator)) and not base:
                found.append(one)
    return found


def _example(doc: str) -> str:
    """Return the indented block that follows ``Example::``."""
    block = doc.partition("Example::\n\n")[2]
    lines = []
    for line in block.split("\n"):
        if line and not line.startswith("    "):
            break
        lines.append(line[4:])
    return "\n".join(lines).strip()


@pytest.mark.parametrize("kind", _tasks(), ids=lambda kind: kind.__name__)
def test_a_tasks_docstring_says_what_ends_it_and_shows_it(kind: Any) -> None:
    doc = ast.get_docstring(ast.parse(f"class X:\n    '''{kind.__doc__}'''").body[0])  # type: ignore[arg-type]
    assert doc is not None
    assert doc.partition("\n")[0].endswith("."), "the first line is a sentence"
    for word in ("Retry", "Kill", "Timeout", "Clear"):
        assert re.search(rf"^- \*\*{word}\*\*: .+", doc, re.MULTILINE), word
    example = _example(doc)
    assert kind.__name__ in example
    ast.parse(example)
    constructor = vars(kind).get("__init__")
    for name in inspect.signature(constructor).parameters if constructor else ():
        hidden = name in ("self", "kwargs") or name.endswith("_conn_id")
        assert hidden or f"``{name}``" in doc or f":param {name}:" in doc, f"{name} is not described"
