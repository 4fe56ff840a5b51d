"""What metrics, traces and lineage say of purchases and landed files, and that none of it is a secret."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowException, statistics
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoDownloadOperator, VidgoGenerateOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.integration.conftest import KEY, VIDEO
from tests.support.books import Of, command
from tests.support.statsd import Listener
from tests.support.task import Task

pytestmark = pytest.mark.slow

#: What no metric, span or dataset may hold.
SECRETS = (KEY, "a secret prompt", "http://")
QUICK = {"poll_interval": 0.05, "deferrable": False, "task_id": "made"}
PRICES = [{"vendor": "vidgo", "model": "nano-banana", "amount": 6, "unit": "credits"}]


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener to which Airflow's own metrics go, with their tags."""
    pytest.importorskip("statsd")
    listener = Listener()
    for name, value in listener.settings.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{name.upper()}", value)
    forget = begin_statistics()
    yield listener
    forget()
    listener.close()


def begin_statistics() -> Callable[[], None]:
    """Do what a worker does before it runs a task; return what undoes it."""
    stats = statistics()
    if hasattr(stats, "initialize"):
        from airflow.sdk.observability.metrics import stats_utils

        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
        return lambda: stats.initialize(factory=None, export_legacy_names=False)
    from airflow.metrics import statsd_logger  # type: ignore[import-not-found,unused-ignore]  # Airflow 3.1

    kind = type(stats)
    before, kind.factory, stats.instance = kind.factory, statsd_logger.get_statsd_logger, None

    def forget() -> None:
        kind.factory, stats.instance = before, None

    return forget


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    return tmp_path / "ledger"


def picture(**more: Any) -> VidgoGenerateOperator:
    asked = {"prompt": "a secret prompt"}
    return VidgoGenerateOperator(model="nano-banana", input=asked, **{**QUICK, **more})


def test_purchases_costs_times_and_landed_bytes_arrive_at_a_statsd_server_with_their_tags(
    control: Control, vidgo: Any, venice: Any, ledger: Path, statsd: Listener, tmp_path: Path
) -> None:
    result = Of(lambda: picture(download_to=f"{tmp_path}/here/"), "campaign", "r1").run()
    tags = {"vendor": "vidgo", "kind": "media", "dag": "campaign"}
    assert statsd.wait("vidai.bought", **tags) == [1]
    assert statsd.wait("vidai.cost_usd_millionths", **tags) == [30_000]
    assert statsd.wait("vidai.landed_bytes", **tags) == [result["files"][0]["bytes"]]
    (milliseconds,) = statsd.wait("vidai.ready_after", **tags)
    assert 0 < milliseconds < 60_000
    video = {name: value for name, value in VIDEO.items() if name != "prompt"}
    Of(lambda: VeniceVideoOperator(prompt="a secret prompt", **video, **QUICK), "other", "r1").run()
    assert statsd.wait("vidai.cost_usd_millionths", vendor="venice", dag="other") == [550_000]
    Of(
        lambda: VidgoDownloadOperator(task_id="get", job=result, destination=f"{tmp_path}/x/"), "get", "r1"
    ).run()
    assert statsd.wait("vidai.landed_bytes", dag="get") == [result["files"][0]["bytes"]]
    assert len(statsd.values("vidai.bought")) == 2
    assert not [line for line in statsd.lines if any(secret in line for secret in SECRETS)]


def test_a_retry_and_a_clear_count_no_purchase_again(
    control: Control, vidgo: Any, ledger: Path, statsd: Listener
) -> None:
    task = Of(picture, "campaign", "r1")
    task.run()
    task.retry().run()
    statsd.wait("vidai.ready_after")
    assert statsd.values("vidai.bought") == [1]
    assert statsd.values("vidai.found_late") == []


def test_failures_lost_purchases_and_those_found_again_are_counted(
    control: Control, vidgo: Any, ledger: Path, statsd: Listener, capsys: pytest.CaptureFixture
) -> None:
    control.fault("vidgo", "submit", "reset", when="after")
    with pytest.raises(AirflowException):
        Of(picture, "campaign", "r1").run()
    assert statsd.wait("vidai.lost", vendor="vidgo", dag="campaign") == [1]
    assert statsd.wait("vidai.failed", reason="LostSubmit") == [1]
    assert statsd.values("vidai.bought") == []
    (job,) = control.purchases()
    command(capsys, "resolve", "campaign", "r1", "paid", "--bought", job["job_id"])
    assert statsd.wait("vidai.found_late", dag="campaign") == [1]
    assert statsd.wait("vidai.bought", dag="campaign") == [1]
    control.fault("vidgo", "submit", "fail_job")
    with pytest.raises(AirflowException):
        Of(picture, "failing", "r2").run()
    assert statsd.wait("vidai.failed", reason="JobFailed", dag="failing") == [1]


class Away:
    """A store that takes intents, and no record of a job."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def set(self, key: str, value: Any) -> None:
        if value and value["receipt"]:
            raise OSError("the storage is away")
        self._store.set(key, value)


class Unrecorded(VidgoGenerateOperator):
    """An operator whose purchase is never on record."""

    def ledger(self, context: Any, deadline: float = 0.0) -> Any:
        found = super().ledger(context, deadline)
        found._store = Away(found._store)  # type: ignore[assignment]
        return found


def test_a_purchase_that_could_not_be_recorded_and_is_found_again_is_counted_once(
    control: Control, vidgo: Any, ledger: Path, statsd: Listener, capsys: pytest.CaptureFixture
) -> None:
    asked = {"prompt": "a secret prompt"}
    Of(lambda: Unrecorded(model="nano-banana", input=asked, **QUICK), "campaign", "r1").run()
    (job,) = control.purchases()
    command(capsys, "resolve", "campaign", "r1", "paid", "--bought", job["job_id"])
    assert statsd.wait("vidai.found_late", dag="campaign") == [1]
    assert statsd.wait("vidai.bought", dag="campaign") == [1]
    assert statsd.wait("vidai.cost_usd_millionths", dag="campaign") == [30_000]


def test_what_a_budget_refuses_is_counted(
    control: Control, vidgo: Any, ledger: Path, statsd: Listener
) -> None:
    with pytest.raises(AirflowException, match="is used up"):
        Of(lambda: picture(budget={"limit": 0, "unit": "jobs"}), "campaign", "r1").run()
    assert statsd.wait("vidai.refused_by_budget", dag="campaign") == [1]
    assert statsd.values("vidai.bought") == []


def test_a_task_runs_alike_where_nothing_is_measured(control: Control, vidgo: Any, ledger: Path) -> None:
    assert Of(picture, "campaign", "r1").run()["state"] == "ready"


@pytest.fixture(scope="module")
def exporter() -> Any:
    """What collects the spans of this process."""
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    found = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(found))
    trace.set_tracer_provider(provider)
    return found


def test_a_purchase_and_its_job_are_spans_of_the_task_that_made_them(
    control: Control, vidgo: Any, ledger: Path, exporter: Any
) -> None:
    from opentelemetry import trace

    exporter.clear()
    with trace.get_tracer("airflow").start_as_current_span("task"):
        result = Of(picture, "campaign", "r1").run()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    purchase, job, task = spans["vidai.purchase"], spans["vidai.job"], spans["task"]
    assert purchase.parent.span_id == job.parent.span_id == task.context.span_id
    assert purchase.start_time <= purchase.end_time <= job.end_time
    assert purchase.attributes["vidai.usd"] == 0.03
    assert job.attributes["vidai.job_id"] == result["job_id"]
    assert (job.attributes["vidai.outcome"], job.attributes["vidai.dag"]) == ("ready", "campaign")
    shown = json.dumps([dict(span.attributes) for span in spans.values()])
    assert not [secret for secret in SECRETS if secret in shown]


def test_a_job_that_failed_is_a_span_that_says_so(
    control: Control, vidgo: Any, ledger: Path, exporter: Any
) -> None:
    exporter.clear()
    control.fault("vidgo", "submit", "fail_job")
    with pytest.raises(AirflowException):
        Of(picture, "campaign", "r1").run()
    (job,) = (span for span in exporter.get_finished_spans() if span.name == "vidai.job")
    assert (job.status.status_code.name, job.attributes["vidai.outcome"]) == ("ERROR", "failed")


def emitted(outputs: list[Any], path: Path) -> dict[str, Any]:
    """Send an event with these datasets through OpenLineage's file transport; return what was written."""
    client = importlib.import_module("openlineage.client")
    events = importlib.import_module("openlineage.client.event_v2")
    files = importlib.import_module("openlineage.client.transport.file")
    config = files.FileConfig(log_file_path=str(path), append=True)
    event = events.RunEvent(
        eventType=events.RunState.COMPLETE,
        eventTime="2026-11-28T10:00:00Z",
        run=events.Run(runId=str(uuid.uuid4())),
        job=events.Job(namespace="airflow", name="campaign.paid"),
        outputs=outputs,
    )
    client.OpenLineageClient(transport=files.FileTransport(config)).emit(event)
    return dict(json.loads(path.read_text()))


def test_landed_files_are_datasets_of_openlineage_with_job_model_and_cost(
    control: Control, vidgo: Any, ledger: Path, tmp_path: Path
) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")
    task = Of(lambda: picture(download_to=f"{tmp_path}/here/"), "campaign", "r1")
    result = task.run()
    found = task.operator.get_openlineage_facets_on_complete(task.instance)
    (output,) = emitted(found.outputs, tmp_path / "events.json")["outputs"]
    assert (output["namespace"], output["name"]) == (
        "file",
        result["files"][0]["uri"].removeprefix("file://"),
    )
    facet = output["facets"]["vidaiJob"]
    wanted = {"vendor": "vidgo", "kind": "media", "jobId": result["job_id"], "model": "nano-banana"}
    assert wanted.items() <= facet.items()
    assert (facet["costAmount"], facet["costUnit"], facet["costUsd"]) == (6, "credits", 0.03)
    assert not [secret for secret in SECRETS if secret in json.dumps(output).replace(facet["_producer"], "")]
    get = Task(lambda: VidgoDownloadOperator(task_id="get", job=result, destination=f"{tmp_path}/x/"))
    get.run()
    (dataset,) = get.operator.get_openlineage_facets_on_complete(get.instance).outputs
    assert dataset.name.startswith(f"{tmp_path}/x/")


def test_a_task_that_landed_nothing_has_no_datasets(control: Control, vidgo: Any, ledger: Path) -> None:
    task = Of(picture, "campaign", "r1")
    task.run()
    assert task.operator.get_openlineage_facets_on_complete(task.instance) is None
