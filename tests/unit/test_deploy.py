"""The files in ``deploy`` and the page about them name only settings that exist, and versions that agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from airflow.configuration import conf

from airflow_provider_vidai._compat import AIRFLOW
from airflow_provider_vidai.provider_info import get_provider_info
from tests.support.pages import PROJECT
from tools.image import commands
from tools.settings import sandbox_connections

DEPLOY = PROJECT / "deploy"
PAGE = PROJECT / "docs" / "operations" / "deployment.md"
#: Sections whose options are another library's: any name may stand there.
OPEN = {"celery_broker_transport_options"}


def _compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "docker-compose.yml").read_text(encoding="utf-8"))


def _values() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "values.yaml").read_text(encoding="utf-8"))


def _named() -> Iterator[tuple[str, str]]:
    """Yield every option that these files set or describe, as section and name."""
    for name in _compose()["x-airflow"]["environment"]:
        if found := re.fullmatch(r"AIRFLOW__(\w+?)__(\w+)", name):
            yield found[1].lower(), found[2].lower()
    for section, options in _values()["config"].items():
        yield from ((section, name) for name in options)
    yield from re.findall(r"`\[(\w+)\] (\w+)`", PAGE.read_text(encoding="utf-8"))


#: What Airflow 3.1 does not have.
NEWER = {("triggerer", "queues_enabled"), ("workers", "execution_api_timeout")}


@pytest.mark.parametrize(("section", "name"), sorted(set(_named())))
def test_every_setting_of_a_deployment_exists(section: str, name: str) -> None:
    if section.startswith("celery"):
        pytest.importorskip("airflow.providers.celery")
    # Airflow 3.1 describes no options of providers here.
    if AIRFLOW < (3, 3) and ((section, name) in NEWER or section.startswith("celery")):
        pytest.skip("older versions of Airflow do not have it")
    known = conf.configuration_description | get_provider_info()["config"]
    assert section in known
    assert section in OPEN or name in known[section]["options"]


def test_a_deployment_is_described_by_the_page() -> None:
    ready = {f"`[{section}] {name}`" for section, options in _values()["config"].items() for name in options}
    # It is about the pages that show media, which have a guide of their own.
    page = PAGE.read_text(encoding="utf-8")
    assert [one for one in sorted(ready - {"`[vidai] media_roots`"}) if one not in page] == []


def test_compose_and_helm_set_the_same_for_the_same_reason() -> None:
    environment = _compose()["x-airflow"]["environment"]
    for section, options in _values()["config"].items():
        for name, value in options.items():
            assert environment[f"AIRFLOW__{section}__{name}".upper()] == value.replace("BUCKET", "airflow")


def test_the_connections_of_compose_lead_to_the_sandbox() -> None:
    environment = _compose()["x-airflow"]["environment"]
    for conn_id, wanted in sandbox_connections("http://sandbox:8765", "sandbox").items():
        assert json.loads(environment[f"AIRFLOW_CONN_{conn_id.upper()}"]) == json.loads(wanted)


def test_every_service_that_can_end_is_started_again() -> None:
    for name, service in _compose()["services"].items():
        assert service["restart"] == ("on-failure" if name == "init" else "always"), name


def test_compose_is_what_its_schema_allows() -> None:
    checker = pytest.importorskip("check_jsonschema.builtin_schemas")
    import jsonschema

    schema = checker.get_builtin_schema("vendor.compose-spec")
    jsonschema.Draft7Validator(schema).validate(_compose())


def test_no_secret_is_in_the_files() -> None:
    for path in DEPLOY.iterdir():
        for key, value in re.findall(
            r"(\w*(?:PASSWORD|SECRET|KEY)\w*): *\"?([^\s\"}]+)", re.sub(r"\$\{[^}]*\}", "", path.read_text())
        ):
            assert key == "POSTGRES_PASSWORD", (path.name, key, value)


def test_the_image_installs_the_package_with_the_constraints_and_keeps_its_airflow() -> None:
    (command,) = commands()
    assert command[:2] == ["pip", "install"]
    assert command[command.index("--constraint") + 1] == str(DEPLOY / "constraints.txt")
    (pinned,) = (pin for pin in _pins("deploy/constraints.txt") if pin.startswith("apache-airflow=="))
    assert command[-2:] == [pinned, f"{PROJECT}[celery,amazon]"]


def _pins(path: str) -> set[str]:
    lines = (PROJECT / path).read_text(encoding="utf-8").splitlines()
    return {line for line in lines if re.match(r"[\w.-]+==", line)}


def test_the_constraints_of_a_deployment_are_what_the_tests_run_on_celery() -> None:
    deployed, tested = _pins("deploy/constraints.txt"), _pins("constraints.txt")
    names = (
        r"apache-airflow(-core|-task-sdk|-providers-(celery|amazon))?|celery|kombu|redis|billiard|vine|amqp"
    )
    both = {pin for pin in deployed if re.match(f"({names})==", pin)}
    assert len(both) > 10
    assert both <= tested


@pytest.mark.parametrize("path", ["deploy/constraints.txt", "constraints.txt"])
def test_no_celery_that_breaks_its_provider_is_pinned(path: str) -> None:
    """Provider 3.26.0 imports a name that Celery 5.7 has removed."""
    (celery,) = (pin for pin in _pins(path) if pin.startswith("celery=="))
    assert celery < "celery==5.7"
    assert not [line for line in (PROJECT / path).read_text().splitlines() if line.startswith("-")]
