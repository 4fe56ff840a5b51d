"""Airflow on Celery on this machine: what a deployment of several machines has, in processes of one.

PostgreSQL, Redis, an S3 server behind a proxy that can fail, two workers and two triggerers. Workers and
triggerers have a home, a folder for temporary files and logs of their own: they share nothing but S3.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.proxy import Proxy
from tools.servers import S3, PostgreSQL, Redis
from tools.stack import PROJECT, Stack, kind

WORKERS = ("worker-1", "worker-2")
SLOTS = 8
#: Seconds after which Redis delivers a message again that no worker has acknowledged. A day is the default
#: and right for production, because a worker acknowledges a task when that ends.
VISIBILITY = 30
#: They have files of their own, as on a machine of their own.
_ALONE = frozenset({"worker", "triggerer"})
#: A client that gives up within seconds, so that a test of a server that hangs takes no minutes.
_IMPATIENT = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 2}}
#: Tasks find imported what they need, as docs/operations/scale.md recommends.
PRELOAD = "import airflow_provider_vidai.preload\n"

SETTINGS = {
    "core.executor": "CeleryExecutor",
    "core.parallelism": "64",
    "celery.worker_concurrency": str(SLOTS),
    "celery_broker_transport_options.visibility_timeout": str(VISIBILITY),
    # Airflow queues a task again whose message a dead broker has lost; by default after ten minutes.
    "scheduler.task_queued_timeout": "30",
    "scheduler.task_queued_timeout_check_interval": "5",
    "logging.remote_logging": "True",
    "logging.remote_log_conn_id": "aws_logs",
    "logging.remote_base_log_folder": f"s3://{S3.bucket}/logs",
    "vidai.ledger_path": f"s3://aws_default@{S3.bucket}/ledger",
}


class CeleryStack(Stack):
    """An Airflow on Celery.

    :param home: as for `Stack`; the servers' folders are beside it.
    :param dags: the DAGs folder.
    :param speed: of the sandbox.
    :param settings: as for `Stack`, over this one's.
    """

    components = ("scheduler", "dag-processor", *WORKERS, "triggerer")

    def __init__(
        self,
        home: Path,
        *,
        dags: Path = PROJECT / "dags",
        speed: float | None = 1.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        folder = home.resolve().parent
        self.postgresql, self.redis = PostgreSQL(folder / "postgresql"), Redis(folder / "redis")
        self.s3 = S3(folder / "s3")
        self.proxy = Proxy(self.s3.port)
        self._servers = contextlib.ExitStack()
        super().__init__(
            home,
            dags=dags,
            database=self.postgresql.url,
            speed=speed,
            settings=SETTINGS | {"celery.broker_url": self.redis.url} | dict(settings or {}),
        )

    def start(self) -> None:
        """Start the servers, then Airflow, then the second triggerer."""
        with contextlib.ExitStack() as servers:
            for server in (self.postgresql, self.redis, self.s3, self.proxy):
                servers.enter_context(server)
            self._connections |= {
                "aws_default": _aws(self.proxy.url, config_kwargs=_IMPATIENT),
                "aws_logs": _aws(self.s3.url),
            }
            self._servers = servers.pop_all()
        super().start()
        try:
            self.add_triggerer()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End Airflow, then the servers."""
        super().stop()
        self._servers.close()

    def supervise(self) -> list[str]:
        """Start the components again that have ended, as an init system or Kubernetes does; return them."""
        ended = [name for name in self._children if not self.alive(name)]
        for name in ended:
            self.restart(name)
        return ended

    def worker_of(self, task: Mapping[str, Any]) -> str | None:
        """Return the worker that runs a task instance, None if none does."""
        return next((name for name in WORKERS if task["pid"] in self.pids(name)), None)

    def delivered_again(self) -> set[str]:
        """Return the ids of Celery tasks that workers have received more than once."""
        logs = "".join(self._children[name].log.read_text() for name in WORKERS)
        received = re.findall(r"execute_workload\[([\w-]+)\] received", logs)
        return {one for one in received if received.count(one) > 1}

    def _command(self, name: str) -> tuple[str, ...]:
        if kind(name) == "worker":
            return ("celery", "worker", "--skip-serve-logs", "--celery-hostname", f"{name}@here")
        return super()._command(name)

    def _component_env(self, name: str) -> dict[str, str]:
        env = super()._component_env(name)
        if kind(name) in _ALONE:
            own = self.home.parent / name
            (own / "tmp").mkdir(parents=True, exist_ok=True)
            (own / "config").mkdir(exist_ok=True)
            (own / "config" / "airflow_local_settings.py").write_text(PRELOAD)
            folders = {"HOME": own, "AIRFLOW_HOME": own, "TMPDIR": own / "tmp"}
            env |= {key: str(value) for key, value in folders.items()}
            env["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(own / "logs")
        return env

    def _ready(self, name: str) -> bool:
        if kind(name) == "worker":
            return " ready." in self._children[name].output()
        return super()._ready(name)


def _aws(endpoint: str, **extra: Any) -> str:
    extra |= {"endpoint_url": endpoint, "region_name": "us-east-1"}
    return json.dumps({"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra})
