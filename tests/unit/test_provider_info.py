"""What the package reports to Airflow about itself is true."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator
from packaging.version import Version

from airflow_provider_vidai import __version__
from airflow_provider_vidai.hooks.base import ConnectionExtra, VidaiHook
from airflow_provider_vidai.provider_info import get_provider_info

INFO = get_provider_info()
CONNECTIONS = INFO["connection-types"]
each_connection = pytest.mark.parametrize(
    "connection", CONNECTIONS, ids=lambda connection: connection["connection-type"]
)
MODULES = [
    (kind, module)
    for kind in ("hooks", "operators", "sensors", "triggers")
    for entry in INFO[kind]
    for module in entry["python-modules"]
]


def _class(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_entry_point_leads_here() -> None:
    (found,) = [one for one in entry_points(group="apache_airflow_provider") if "vidai" in one.value]
    assert found.load()() == INFO


def test_it_is_valid_by_airflows_own_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_it_is_plain_data_made_again_each_time() -> None:
    assert json.loads(json.dumps(INFO)) == INFO
    assert get_provider_info() is not INFO


def test_its_version_is_the_packages() -> None:
    assert INFO["versions"] == [__version__]


@pytest.mark.parametrize(("kind", "module"), MODULES)
def test_every_listed_module_imports_and_holds_what_it_is_listed_for(kind: str, module: str) -> None:
    from airflow.triggers.base import BaseTrigger

    base = {
        "hooks": VidaiHook,
        "operators": BaseOperator,
        "sensors": BaseSensorOperator,
        "triggers": BaseTrigger,
    }
    own = [
        thing
        for thing in vars(importlib.import_module(module)).values()
        if isinstance(thing, type) and issubclass(thing, base[kind]) and thing.__module__ == module
    ]
    assert own


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_no_public_module_is_left_out(kind: str) -> None:
    import airflow_provider_vidai

    folder = Path(airflow_provider_vidai.__file__).parent / kind
    helpers = {
        "__init__",
        "base",
        "context",
        "download",
        "durations",
        "failures",
        "landing",
        "links",
        "media",
        "paid",
        "part",
        "priced",
        "prints",
        "settings",
        "shown",
        "stores",
        "tracing",
        "vendor",
    }
    helpers |= {"books", "extra", "spellings", "taskflow", "venice_release", "venice_retirement", "webhook"}
    there = {f"airflow_provider_vidai.{kind}.{path.stem}" for path in folder.glob("[!_]*.py")}
    there -= {f"airflow_provider_vidai.{kind}.{name}" for name in helpers}
    assert {module for of, module in MODULES if of == kind} == there


def test_every_integration_named_is_described() -> None:
    described = {integration["integration-name"] for integration in INFO["integrations"]}
    named = {
        entry["integration-name"]
        for kind in ("hooks", "operators", "sensors", "triggers")
        for entry in INFO[kind]
    }
    assert named == described


@each_connection
def test_a_connections_hook_is_the_one_that_says_so(connection: dict[str, Any]) -> None:
    hook = _class(connection["hook-class-name"])
    assert hook.conn_type == connection["connection-type"]
    assert hook.hook_name == connection["hook-name"]
    assert hook.default_conn_name == f"{connection['connection-type']}_default"
    assert hook.conn_name_attr == f"{connection['connection-type']}_conn_id"


@each_connection
def test_a_connections_form_shows_key_url_and_extras_and_nothing_else(connection: dict[str, Any]) -> None:
    form = connection["ui-field-behaviour"]
    assert set(form["hidden-fields"]) == {"login", "port", "schema", "extra"}
    assert form["relabeling"] == {"password": "API key", "host": "Base URL"}
    hook = _class(connection["hook-class-name"])
    assert form["placeholders"]["host"] == hook.__new__(hook).vendor.base_url


@each_connection
def test_a_connections_form_says_where_a_key_is_made_and_what_the_account_needs(
    connection: dict[str, Any],
) -> None:
    said = connection["ui-field-behaviour"]["placeholders"]["password"]
    where, needs = said.removeprefix("From ").split("; needs ")
    assert len(said) <= 75, "an empty field shows no more"
    page = (Path(__file__).parents[2] / "docs" / "start" / "keys-and-prices.md").read_text(encoding="utf-8")
    assert where.split(", ")[0].removeprefix("your account at ") in page
    expected = {
        "vidio": "Studio",
        "venice": "balance",
        "vizard": "Creator or Business",
        "vidgo": "prepaid credits",
    }
    assert expected[connection["connection-type"]] in needs
    assert expected[connection["connection-type"]] in page


@each_connection
def test_a_forms_fields_are_the_extras_that_are_read(connection: dict[str, Any]) -> None:
    only_venice = set() if connection["connection-type"] == "venice" else {"admin_api_key"}
    assert set(connection["conn-fields"]) == set(ConnectionExtra.model_fields) - only_venice
    for name, field in connection["conn-fields"].items():
        assert field["label"], name
        assert "null" in field["schema"]["type"], f"{name} can be left empty"


@pytest.fixture(scope="module")
def manager() -> Any:
    from airflow.providers_manager import ProvidersManager

    return ProvidersManager()


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")
@each_connection
def test_airflows_provider_manager_sees_the_hook_and_its_form(
    manager: Any, connection: dict[str, Any]
) -> None:
    vendor = connection["connection-type"]
    assert "airflow-provider-vidai" in manager.providers
    found = manager.hooks[vendor]
    assert found.hook_class_name == connection["hook-class-name"]
    assert found.hook_name == connection["hook-name"]
    assert found.connection_testable
    if Version(airflow.__version__) < Version("3.2"):
        pytest.skip("Airflow 3.1 shows its general form: it reads none from a provider's metadata")
    behaviour = manager.field_behaviours[vendor]
    assert set(behaviour["hidden_fields"]) == {"login", "port", "schema", "extra"}
    shown = {name for name in manager.connection_form_widgets if name.startswith(f"extra__{vendor}__")}
    assert shown == {f"extra__{vendor}__{name}" for name in connection["conn-fields"]}


@each_connection
def test_airflow_makes_the_hook_from_a_connection(connect: Any, connection: dict[str, Any]) -> None:
    from airflow.sdk import BaseHook

    connect("some_account", conn_type=connection["connection-type"])
    assert isinstance(BaseHook.get_hook("some_account"), _class(connection["hook-class-name"]))
