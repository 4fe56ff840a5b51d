"""The package imports on every Airflow that it allows, and declares what it imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import airflow_provider_vidai

pytestmark = pytest.mark.slow

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(airflow_provider_vidai.__file__).parent
PROJECT = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
MODULES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))


def _imported(module: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse((FOLDER / module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def _distribution(imported: str) -> str:
    """Return the name of the distribution that an imported module comes from."""
    top, _, rest = imported.partition(".")
    if top == "airflow" and rest.startswith("providers."):
        return "apache-airflow-" + rest.replace(".", "-")
    return "apache-airflow" if top == "airflow" else top


def _names(requirements: list[str]) -> set[str]:
    return {Requirement(one).name for one in requirements}


def _declared(imported: str, names: set[str]) -> bool:
    # How much of a provider's module path is the provider's name can't be seen from the path.
    found = _distribution(imported)
    return any(
        found == name or (name.startswith("apache-airflow-providers-") and found.startswith(f"{name}-"))
        for name in names
    )


@pytest.mark.parametrize("module", [one for one in MODULES if one != "_compat.py"])
def test_only_one_module_knows_where_airflow_keeps_what_is_not_in_its_public_interface(module: str) -> None:
    airflows = {one for one in _imported(module) if one == "airflow" or one.startswith("airflow.")}
    assert airflows <= {"airflow.sdk"}, "import it from airflow_provider_vidai._compat"


@pytest.mark.parametrize("module", MODULES)
def test_every_import_is_of_something_that_the_package_declares(module: str) -> None:
    declared = _names(PROJECT["dependencies"])
    if module.startswith("sandbox/"):
        declared |= _names(PROJECT["optional-dependencies"]["sandbox"])
    if module.startswith("batch/"):
        declared |= _names(PROJECT["optional-dependencies"]["parquet"])
    own = {*sys.stdlib_module_names, "airflow_provider_vidai"}
    foreign = {one for one in _imported(module) if one.partition(".")[0] not in own}
    assert {one for one in foreign if not _declared(one, declared)} == set()


def test_the_lowest_versions_that_are_tested_are_the_lowest_that_are_allowed() -> None:
    pinned = dict(
        line.partition(" ")[0].split("==")
        for line in (FOLDER.parent / "constraints-lowest.txt").read_text().splitlines()
        if "==" in line
    )
    extras = PROJECT["optional-dependencies"]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras["sandbox"], *extras["test"]]):
        ((operator, lowest),) = ((one.operator, one.version) for one in requirement.specifier)
        assert operator == ">="
        # A first release of a line may have been taken back.
        assert pinned[requirement.name].startswith(lowest), requirement


def test_nothing_is_declared_that_is_not_imported() -> None:
    imported = {one for module in MODULES for one in _imported(module)}
    declared = _names([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["sandbox"]])
    assert {name for name in declared if not any(_declared(one, {name}) for one in imported)} == set()
