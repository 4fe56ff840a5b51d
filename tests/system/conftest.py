"""A real Airflow with the sandbox, shared by all system tests of a process.

``make test-system STACKS=2`` runs two processes side by side, each with a home, ports and a database of its
own. Tests assert order and number, never speed: all upper bounds leave room for a busy machine.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import pytest

from airflow_provider_vidai.sandbox.client import Control
from tools.celery import CeleryStack
from tools.rest import RestError, Run
from tools.servers import PostgreSQL
from tools.stack import PROJECT, Stack

T = TypeVar("T")
#: "celery" runs the tests on several machines' worth of Airflow: see `CeleryStack`.
BACKEND = os.environ.get("VIDAI_TEST_BACKEND", "")
HERE = Path(__file__).parent
MEDIA = HERE.parent / "media" / "big_buck_bunny_5s.mp4"
EXAMPLES = PROJECT / "dags"
SPEED = 20.0
#: Seconds that something may take, and a whole run: several times what it takes on a quiet machine.
SOON, RUN = 240.0, 600.0
#: Part of every URL by which Venice delivers a video.
SECRET_LINK = "/share/read/"

SETTINGS = {
    # Airflow takes a worker for dead after this long instead of minutes. Tasks send a heartbeat every five
    # seconds; the rest is for heartbeats that a busy machine delays. A live task that counts as dead is tried
    # once more than a test expects.
    "scheduler.task_instance_heartbeat_timeout": "20",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "3",
    # The same for a scheduler, whose running tasks another one then adopts; by default after five minutes.
    "scheduler.scheduler_health_check_threshold": "20",
    "scheduler.orphaned_tasks_check_interval": "5",
    # The same for a triggerer.
    "triggerer.job_heartbeat_sec": "2",
    "triggerer.triggerer_health_check_threshold": "15",
}


#: One or more tests of each promise: CI runs these, because all of them take an hour. They are patterns as in
#: a shell, in which "[[]" is a bracket.
CORE = (
    "test_a_worker_killed_at_any_place_never_buys_twice[[]*-deferred]",
    "test_a_finished_task_whose_worker_died_before_it_was_recorded_*[[]before done is on record-1-deferred]",
    "test_a_worker_killed_before_the_vendors_answer_stops_as_a_lost_purchase[[]deferred]",
    "test_a_worker_killed_while_it_waits_*[[]with its worker]",
    "test_a_triggerer_killed_with_fifty_waiting_jobs_loses_and_buys_none",
    "test_a_triggerer_outlives_odd_answers_*",
    "test_a_restarted_component_costs_nothing[[]deferred-scheduler]",
    "test_clearing_a_task_whose_job_runs_goes_on_with_that_job[[]deferred]",
    "test_clearing_a_finished_task_buys_again[[]deferred]",
    "test_clearing_a_task_whose_job_failed_*",
    "test_clearing_a_lost_purchase_*",
    "test_clearing_with_downstream_*",
    "test_a_run_that_is_deleted_and_made_again_buys_its_own",
    "test_an_api_that_is_down_while_a_job_is_waited_for_costs_nothing[[]deferred]",
    "test_a_key_that_is_refused_while_a_job_is_waited_for_*[[]twice-deferred]",
    "test_after_a_timeout_*[[]timeout-deferred]",
    "test_a_purchase_that_the_vendor_refuses_*[[]refused]",
    "test_an_approved_video_is_made_with_the_prompt_that_the_person_edited",
    "test_a_worker_killed_at_any_place_never_publishes_twice[[]before bought is on record]",
    "test_thirty_mapped_videos_*",
    "test_machines_that_die_during_a_purchase_*",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the core."""
    for item in items:
        if HERE in item.path.parents and any(fnmatchcase(item.name, pattern) for pattern in CORE):
            item.add_marker("core")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack; on Celery, PostgreSQL or with the ledger on object storage where the environment says so."""
    # Not pytest's own temporary folder: later sessions remove it, even while this one still runs.
    home = Path(tempfile.mkdtemp(prefix="vidai-system-")) / "airflow"
    home.mkdir()
    settings = dict(SETTINGS)
    if os.environ.get("VIDAI_TEST_LEDGER") == "object_storage":
        settings["vidai.ledger_path"] = f"file://{home}/ledger"
    dags = HERE / "dags"
    with contextlib.ExitStack() as servers:
        if BACKEND == "celery":
            settings["dag_processor.dag_bundle_config_list"] = _bundles(tests=dags, examples=EXAMPLES)
            running: Stack = CeleryStack(home, dags=dags, speed=SPEED, settings=settings)
        else:
            database = None
            if os.environ.get("VIDAI_TEST_DATABASE") == "postgresql":
                database = servers.enter_context(PostgreSQL(home.parent / "postgresql")).url
            running = Stack(home, dags=dags, database=database, speed=SPEED, settings=settings)
        yield servers.enter_context(running)
    shutil.rmtree(home.parent)


def _bundles(**folders: Path) -> str:
    """Return the setting by which Airflow reads DAGs from several folders."""
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    return json.dumps(
        [{"name": name, "classpath": local, "kwargs": {"path": str(path)}} for name, path in folders.items()]
    )


@pytest.fixture
def sandbox(stack: Stack) -> Iterator[Control]:
    control = Control(stack.sandbox_url)
    # Vizard's limits have a test of their own; a video on a platform is represented by a local file.
    vizard = {"creates_per_minute": 0, "creates_per_hour": 0, "footage": str(MEDIA), "short_side": 64}
    # Killed tasks upload again, more often than people do.
    vidgo = {"uploads_per_minute": 0, "short_side": 64}
    control.settings(speed=SPEED, venice={"short_side": 64}, vizard=vizard, vidgo=vidgo)
    yield control
    control.clear_faults()
    control.settings(speed=SPEED)


@pytest.fixture
def footage(stack: Stack, sandbox: Control, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of a freshly uploaded clip, so that each test finds its own purchases in the account book."""
    from airflow_provider_vidai.hooks.vidio import VidioHook

    for name, value in stack.env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    return str(VidioHook().upload(str(MEDIA))["input_key"])


class Product(NamedTuple):
    """A kind of job that is paid for.

    :param name: the prefix of its DAGs.
    :param call: the sandbox's name for the purchase.
    :param status_call: the sandbox's name for the status check.
    :param begins: what the log says about a job that has just been bought.
    """

    name: str
    vendor: str
    kind: str
    call: str
    status_call: str
    begins: str


PRODUCTS = [
    Product(
        "vidio_reel", "vidio", "reel", "create_highlight_reel", "status", "the job waits in VIDIO's queue"
    ),
    Product("venice_video", "venice", "generate", "queue", "retrieve", "Venice is making the video"),
    Product("vizard_clips", "vizard", "project", "create", "query", "Vizard is making the clips"),
    Product("vidgo_picture", "vidgo", "media", "submit", "status", "the job waits in Vidgo's queue"),
]


class Order:
    """One test's purchases of a product, recognised by a mark in their requests."""

    def __init__(self, stack: Stack, sandbox: Control, product: Product, mark: str) -> None:
        self.product = product
        self._stack, self._sandbox, self._mark = stack, sandbox, mark

    def __str__(self) -> str:
        return self.product.name

    def start(
        self,
        variant: str,
        stop: dict[str, str] | None = None,
        run_id: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> Run:
        """Run a variant of the product's DAG; its first try stops at the place that ``stop`` names."""
        conf = {"mark": self._mark, "stop": stop, **(more or {})}
        return self._stack.api.trigger(f"{self.product.name}_{variant}", conf, run_id=run_id)

    def fault(self, fault: str, **options: Any) -> str:
        """Make the sandbox answer the purchase with a fault."""
        return self._sandbox.fault(self.product.vendor, self.product.call, fault, times=1, **options)

    def status_checks_fail(self, status: int, times: int) -> None:
        """Make the sandbox answer the next few status checks with an HTTP status."""
        self._sandbox.fault(
            self.product.vendor, self.product.status_call, "status", status=status, times=times
        )

    def bought(self) -> list[dict[str, Any]]:
        """Return its purchases in the account book."""
        book = self._sandbox.purchases(self.product.vendor, self.product.kind)
        return [one for one in book if self._mark in json.dumps(one["request"])]


@pytest.fixture
def orders(stack: Stack, sandbox: Control, footage: str) -> list[Order]:
    """Return an order of each product: a promise must hold for all, and they wait at the same time."""
    marks = {"vidio_reel": footage}
    return [
        Order(stack, sandbox, product, marks.get(product.name) or f"mark-{uuid.uuid4()}")
        for product in PRODUCTS
    ]


class Stop:
    """Makes the first try of a run stop at a place, and waits until it has stopped there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def at(self, place: str, order: Order) -> dict[str, str]:
        return {"place": place, "flag": str(self._folder / str(order))}

    def reached(self, order: Order) -> None:
        eventually(f"stop of {order}", (self._folder / str(order)).exists)


@pytest.fixture
def stop(tmp_path: Path) -> Stop:
    return Stop(tmp_path)


def eventually(what: str, find: Callable[[], T | None], timeout: float = SOON) -> T:
    """Call ``find`` until it returns something true, and return that."""
    until = time.monotonic() + timeout
    while not (found := find()):
        if time.monotonic() > until:
            raise AssertionError(f"no {what} within {timeout:.0f} s")
        time.sleep(0.2)
    return found


def waits(runs: dict[Order, Run], state: str, timeout: float = RUN) -> None:
    """Wait until all runs have ended in a state."""
    for order, run in runs.items():
        assert run.wait(timeout) == state, f"{order}: {messages(run, run.task('paid')['try_number'])[-2000:]}"


def says(runs: dict[Order, Run], try_number: int, text: str, timeout: float = SOON) -> None:
    """Wait until the log of a try contains a text, in all runs."""
    for order, run in runs.items():
        eventually(f"{text!r} of {order}", functools.partial(_contains, run, try_number, text), timeout)


def asked(run: Run) -> dict[str, Any]:
    """Wait until the run asks a person, and return what they see."""
    run.wait_for_task("approve", ("awaiting_input", "deferred"), SOON)
    # The process that parked the task takes seconds to end. If the answer comes before that, the scheduler
    # mistakes its end for the task's (apache/airflow#66374), and the next try asks the person again.
    time.sleep(12)
    return dict(run.api.call("GET", f"{run._task('approve', -1)}/-1/hitlDetails"))


def answer(run: Run, option: str, **fields: Any) -> None:
    """Answer as the form does: with every field that the person was shown (on Airflow 3.1 the DAG's too).

    :param fields: what the person changes in the form.
    """
    at = f"{run._task('approve', -1)}/-1/hitlDetails"
    shown = {
        name: field["value"] if isinstance(field, dict) and "value" in field else field
        for name, field in run.api.call("GET", at)["params"].items()
    }
    run.api.call("PATCH", at, body={"chosen_options": [option], "params_input": {**shown, **fields}})


WAITING = {"sync": "running", "deferred": "deferred"}


def waiting(orders: list[Order], mode: str, variant: str | None = None) -> dict[Order, Run]:
    """Start each order, and wait until the status of its job has been checked."""
    runs = {order: order.start(variant or mode) for order in orders}
    for order, run in runs.items():
        in_state(run, WAITING[mode])
        seen(order, run)
    return runs


def cleared(runs: dict[Order, Run], purchases: int) -> None:
    """Clear the paid task of each run, and wait for this number of purchases."""
    for run in runs.values():
        run.clear("paid")
    for order in runs:
        eventually(f"purchases of {order}", functools.partial(_has_bought, order, purchases))


def _contains(run: Run, try_number: int, text: str) -> bool:
    return text in messages(run, try_number)


def _has_bought(order: Order, purchases: int) -> bool:
    return len(order.bought()) == purchases


def counts(orders: list[Order]) -> dict[str, int]:
    return {str(order): len(order.bought()) for order in orders}


def each(orders: list[Order], purchases: int) -> dict[str, int]:
    return dict.fromkeys(map(str, orders), purchases)


def seen(order: Order, run: Run) -> None:
    """Wait until the first try has checked the job's status and logged it."""
    eventually(f"status check of {order}", lambda: f": {order.product.begins}" in messages(run, 1))


def bought(sandbox: Control, footage: str) -> list[dict[str, Any]]:
    """Return the reels in the account book that were made from this footage."""
    return [one for one in sandbox.purchases("vidio", "reel") if one["request"]["input_keys"] == [footage]]


def in_state(run: Run, state: str, task_id: str = "paid") -> None:
    """Wait until a task is in a state."""
    eventually(f"{task_id} {state}", lambda: run.task(task_id)["state"] == state)


def nowhere_in_the_clear(stack: Stack, *secrets: str) -> None:
    """Assert that none of Airflow's files contains a secret: no log, and no row of an SQLite database."""
    found = [
        path
        for path in stack.home.rglob("*")
        # The stack keeps the secrets that it made in a file of its own.
        if path.is_file() and path.relative_to(stack.home).parts[0] not in ("sandbox", "secrets.json")
    ]
    for path in found:
        if path.suffix != ".db":
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in secrets), path
            continue
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = "\n".join(database.iterdump())
            assert not any(secret in rows for secret in secrets), path


def kill_task(run: Run, task_id: str = "paid", map_index: int = -1, *, worker: bool = False) -> None:
    """Send SIGKILL to the process of a running task; with ``worker`` also to the one that supervises it."""
    pid = eventually("pid of the task", lambda: run.task(task_id, map_index)["pid"])
    victims = [psutil.Process(pid).ppid(), pid] if worker else [pid]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, 9)


def messages(run: Run, try_number: int, task_id: str = "paid", map_index: int = -1) -> str:
    """Return the log of one try, as a person reads it; empty before the try has begun."""
    try:
        return run.log(task_id, try_number, map_index)
    except RestError:
        return ""
