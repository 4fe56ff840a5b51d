"""A real Airflow and the vendors' sandbox on this machine, started and ended as one.

``with Stack() as stack: stack.api.trigger("vidio_highlight_reel")`` runs an API server, a scheduler with its
LocalExecutor, a DAG processor, a triggerer and the sandbox as separate processes on free loopback ports,
with everything they write in one home folder. Any number of stacks run side by side, one per home.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from tools.processes import Child, created, end, end_leftover
from tools.rest import AirflowApi, answers
from tools.settings import (
    Ports,
    Secrets,
    airflow_settings,
    choose_port,
    environment,
    sandbox_connections,
)

PROJECT = Path(__file__).resolve().parent.parent
# Seconds to end in. The scheduler's tasks need time to report to the API server how they ended. The others
# have nothing to lose, and a triggerer often takes ten seconds to notice that its runner is gone.
GRACE, TASKS_GRACE = 3.0, 6.0
START_TIMEOUT = 300.0
# Seconds that all but the API server wait for a lock of the SQLite file.
LOCK_PATIENCE = 30.0

# The log servers are left out: they listen on all interfaces, and here every log is a local file anyway.
_COMMANDS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_JOB_TYPES = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
# They run tasks, or hold those that do.
_TASKS = frozenset({"scheduler", "worker"})
# They serve the others, so they end last.
_SERVERS = frozenset({"api-server", "sandbox"})
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class StackError(RuntimeError):
    """The stack can't start, or a component has ended; the message has the end of that component's log."""


class Stack:
    """One local Airflow with a home folder.

    :param home: where database, logs, secrets and sandbox files live; it is kept and reused.
    :param dags: the DAGs folder.
    :param database: SQLAlchemy URL; by default an SQLite file in the home.
    :param speed: how much faster the sandbox is than the real vendors; None runs no sandbox.
    :param settings: Airflow configuration as ``{"section.option": value}``, over the stack's own.
    :param connections: ``{conn_id: URI or JSON}``, over the four ``<vendor>_default`` of the sandbox.
    :param in_environment: whether those of the sandbox are environment variables, which Airflow reads before
        its database and does not show. If not, `tools.provide` stores them.
    :param ui_port: the port of UI and API if it is free; by default any.
    :param sandbox_port: likewise for the sandbox.
    """

    #: What is started once the tables are there, besides the API server and the sandbox. The part of a name
    #: before its number is what `_command` goes by.
    components: tuple[str, ...] = ("scheduler", "dag-processor", "triggerer")

    def __init__(
        self,
        home: Path = PROJECT / ".airflow",
        *,
        dags: Path = PROJECT / "dags",
        database: str | None = None,
        speed: float | None = 1.0,
        settings: Mapping[str, str] | None = None,
        connections: Mapping[str, str] | None = None,
        in_environment: bool = True,
        ui_port: int = 0,
        sandbox_port: int = 0,
    ) -> None:
        self.home = home.resolve()
        self.dags, self.speed = dags.resolve(), speed
        self.database = database or f"sqlite:///{self.home}/airflow.db"
        self._settings, self._connections = dict(settings or {}), dict(connections or {})
        self._in_environment = in_environment
        self._preferred_ports = (ui_port, sandbox_port)
        self._children: dict[str, Child] = {}
        self._lock: IO[str] | None = None
        self._handlers: dict[int, Any] = {}

    # -- life

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return when all of it works; on any failure stop it again."""
        self._claim_home()
        try:
            self._prepare()
            if self.speed is not None:
                self._launch("sandbox")
            # It needs no table before its first request, so it can load while the tables are created.
            self._launch("api-server")
            self._migrate()
            for name in self.components:
                self._launch(name)
            self._await_ready(list(self._children))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process of the stack. Safe to call at any time, and more than once."""
        if self._lock is None:
            return
        # A second Ctrl-C must not leave orphaned processes.
        self._on_signals((signal.SIGINT, *_ENDING_SIGNALS), signal.SIG_IGN)
        end(child for name, child in self._children.items() if name not in _SERVERS)
        self.api.close()
        end(child for name, child in self._children.items() if name in _SERVERS)
        self._children.clear()
        self._lock.close()
        self._lock = None
        atexit.unregister(self.stop)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    # -- components

    def pids(self, component: str) -> set[int]:
        """All live processes of a component: itself, its children, and orphans it left."""
        return self._children[component].pids()

    def alive(self, component: str) -> bool:
        """Whether the component's own process runs."""
        return self._children[component].exit_code is None

    def kill(self, component: str, number: int = signal.SIGKILL, *, family: bool = True) -> None:
        """Signal a component: with all it started (a lost machine), or only itself (a crash)."""
        self._children[component].signal(number, family=family)

    def restart(self, component: str) -> None:
        """End a component, dead or alive, with all it left behind; start it again and wait for it."""
        end([self._children[component]])
        self._launch(component)
        self._await_ready([component])

    def add_triggerer(self) -> str:
        """Start one more triggerer, wait for it, and return its component name."""
        name = f"triggerer-{1 + sum(kind(child) == 'triggerer' for child in self._children)}"
        self._launch(name)
        self._await_ready([name])
        return name

    def check(self, *components: str) -> None:
        """Raise `StackError` if one of these components, or of all when none is named, has ended."""
        for name in components or self._children:
            child = self._children[name]
            if (code := child.exit_code) is not None:
                raise StackError(f"{name} ended with {code}; the end of {child.log}:\n{child.tail()}")

    def env(self) -> dict[str, str]:
        """Return the environment in which ``airflow`` commands use this stack."""
        return dict(self._env)

    # -- start-up

    def _claim_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        lock = (self.home / "lock").open("w")
        try:
            # The lock is released when this process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackError(f"another stack is running in {self.home}: stop it first") from None
        self._lock = lock
        atexit.register(self.stop)
        self._on_signals(_ENDING_SIGNALS, _exit)

    def _prepare(self) -> None:
        """End the processes that a killed stack left behind; choose ports and the environment."""
        self._record = self.home / "components.json"
        if self._record.exists():
            for pid, since in json.loads(self._record.read_text()):
                end_leftover(pid, since)
        (self.home / "logs").mkdir(exist_ok=True)
        for log in (self.home / "logs").glob("*.log"):
            log.unlink()
        self.secrets = Secrets.of(self.home)
        ui_port, sandbox_port = self._preferred_ports
        ports = Ports(choose_port(ui_port), choose_port(sandbox_port), choose_port(), choose_port())
        self.url = f"http://127.0.0.1:{ports.api}"
        self.sandbox_url = f"http://127.0.0.1:{ports.sandbox}"
        self.api = AirflowApi(self.url)
        settings = airflow_settings(self.home, self.dags, self.database, ports, self.secrets)
        self.sandbox_connections = sandbox_connections(self.sandbox_url, self.secrets.vendor_key)
        connections = (self.sandbox_connections if self._in_environment else {}) | self._connections
        self._env = environment(self.home, settings | self._settings, connections)

    def _migrate(self) -> None:
        """Create or migrate the tables, unless this version of Airflow has already done so."""
        stamp, done = self.home / "migrated", f"{version('apache-airflow-core')} {self.database}"
        # A database server may have been replaced since, which a file would show.
        if (self.home / "airflow.db").exists() and stamp.exists() and stamp.read_text() == done:
            return
        child = self._spawn("migrate", ("airflow", "db", "migrate"))
        if child.wait(START_TIMEOUT):
            raise StackError(f"no usable database at {self.database}:\n{child.tail()}")
        if self.database.startswith("sqlite"):
            stamp.write_text(done)

    def _launch(self, name: str) -> None:
        if name == "sandbox":
            port = self.sandbox_url.rpartition(":")[2]
            command: tuple[str, ...] = ("airflow_provider_vidai.sandbox", "--port", port)
            command += ("--speed", str(self.speed), "--data", str(self.home / "sandbox"))
        else:
            command = ("airflow", *self._command(name))
        self._children[name] = self._spawn(name, command)
        living = [
            (child.pid, created(child.pid)) for child in self._children.values() if child.exit_code is None
        ]
        self._record.write_text(json.dumps(living))

    def _spawn(self, name: str, module: tuple[str, ...]) -> Child:
        log = self.home / "logs" / f"{name}.log"
        grace = TASKS_GRACE if kind(name) in _TASKS else GRACE
        return Child(
            name, (sys.executable, "-m", *module), env=self._component_env(name), log=log, grace=grace
        )

    def _command(self, name: str) -> tuple[str, ...]:
        """Return the arguments of ``airflow`` for a component."""
        return _COMMANDS[kind(name)]

    def _component_env(self, name: str) -> dict[str, str]:
        """Return the environment of a component."""
        env = dict(self._env)
        if name != "api-server" and self.database.startswith("sqlite"):
            # The API server can block itself for as long as it waits for a lock: SQLite's default of five
            # seconds. A component that waits no longer than that, such as the scheduler, would crash.
            env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"{self.database}?timeout={LOCK_PATIENCE:.0f}"
        return env

    def _await_ready(self, names: list[str]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        waiting = dict.fromkeys(names)
        while waiting:
            self.check(*waiting)
            for name in list(waiting):
                if self._ready(name):
                    del waiting[name]
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}:\n{self._children[name].tail()}" for name in waiting)
                raise StackError(f"not ready after {START_TIMEOUT:.0f} s: {logs}")
            time.sleep(0.1)

    def _ready(self, name: str) -> bool:
        if name == "sandbox":
            return answers(f"{self.sandbox_url}/sandbox/book")
        if not answers(f"{self.url}/api/v2/version"):
            return False
        if name == "api-server":
            return True
        # The previous stack's jobs count as alive for half a minute, so only a job of this process counts.
        since = self._children[name].started_at
        jobs = self.api.live_jobs(_JOB_TYPES[kind(name)])
        return any(_timestamp(job["start_date"]) >= since for job in jobs)

    def _on_signals(self, numbers: tuple[int, ...], handler: Any) -> None:
        """Replace signal handlers until `stop`. Only a main thread can do that."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in numbers:
            before = signal.signal(number, handler)
            self._handlers.setdefault(number, before)


def kind(name: str) -> str:
    """Return what a component is, such as ``triggerer`` for ``triggerer-2``."""
    return name.rstrip("-0123456789")


def _timestamp(moment: str) -> float:
    # Python 3.10 reads no "Z".
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def _exit(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that every ``with`` block on the way out is closed."""
    raise SystemExit(128 + number)
