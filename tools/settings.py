"""The environment a local Airflow runs in: configuration, connections to the sandbox, secrets."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SANDBOX_PATHS = {
    "vidio": "/vidio",
    "venice": "/venice/api/v1",
    "vizard": "/vizard/hvizard-server-front/open-api/v1",
    "vidgo": "/vidgo",
}


@dataclass(frozen=True)
class Secrets:
    """Keys of one home folder; they outlive a run so that what it stored can be read again."""

    fernet_key: str
    jwt_secret: str
    api_secret_key: str
    vendor_key: str

    @classmethod
    def of(cls, home: Path) -> Secrets:
        """Load the home's secrets, or create them."""
        path = home / "secrets.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        made = cls(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret_key=secrets.token_urlsafe(48),
            # Random, so that finding it in a log or an XCom can't be a coincidence.
            vendor_key=f"sandbox-key-{secrets.token_hex(8)}",
        )
        path.touch(mode=0o600)
        path.write_text(json.dumps(vars(made)))
        return made


@dataclass(frozen=True)
class Ports:
    """The ports that the components listen on."""

    api: int
    sandbox: int
    worker_logs: int
    triggerer_logs: int


def choose_port(preferred: int = 0) -> int:
    """Return the preferred port if it is free, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def airflow_settings(home: Path, dags: Path, database: str, ports: Ports, keys: Secrets) -> dict[str, str]:
    """Return the configuration, as ``section.option``, that differs from Airflow's defaults."""
    return {
        "core.dags_folder": str(dags),
        "core.load_examples": "False",
        "core.executor": "LocalExecutor",
        # LocalExecutor forks all of its idle workers at the start: 32 by default.
        "core.parallelism": "4",
        "core.auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "core.simple_auth_manager_all_admins": "True",
        "core.fernet_key": keys.fernet_key,
        "core.execution_api_server_url": f"http://127.0.0.1:{ports.api}/execution/",
        # The default asks the name service for a canonical name: seconds on a machine without one.
        "core.hostname_callable": "socket.gethostname",
        "database.sql_alchemy_conn": database,
        # `Stack` migrates before anything starts; each component would check again, for a second.
        "database.check_migrations": "False",
        "api.host": "127.0.0.1",
        "api.port": str(ports.api),
        "api.base_url": f"http://127.0.0.1:{ports.api}",
        "api.workers": "1",
        "api.secret_key": keys.api_secret_key,
        "api_auth.jwt_secret": keys.jwt_secret,
        "logging.base_log_folder": str(home / "logs"),
        "logging.dag_processor_child_process_log_directory": str(home / "logs" / "dag_processor"),
        "logging.colored_console_log": "False",
        # Nothing listens there (see `Stack`), but another Airflow's log server may use the default ports.
        "logging.worker_log_server_port": str(ports.worker_logs),
        "logging.trigger_log_server_port": str(ports.triggerer_logs),
        # The default of a second, before each state of a task, would be most of a short task's time.
        "scheduler.scheduler_idle_sleep_time": "0.2",
        # A new or changed DAG shows up within seconds ...
        "dag_processor.refresh_interval": "10",
        # ... and unchanged ones are rarely parsed: that forks a process that imports Airflow's SDK.
        "dag_processor.min_file_process_interval": "60",
        # As this package is meant to be used: waiting holds no worker.
        "operators.default_deferrable": "True",
        # Where footage and landed files are: pages of the package may show what lies below.
        "vidai.media_roots": ",".join(str(home / folder) for folder in ("media", "demo")),
    }


def environment(home: Path, settings: Mapping[str, str], connections: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for child processes: ours, with this Airflow's variables instead of others."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env["AIRFLOW_HOME"] = str(home)
    for option, value in settings.items():
        section, _, name = option.partition(".")
        env[f"AIRFLOW__{section.upper()}__{name.upper()}"] = value
    for conn_id, value in connections.items():
        env[f"AIRFLOW_CONN_{conn_id.upper()}"] = value
    # A proxy of the user's can't reach this machine's loopback.
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, (env.get(name), "127.0.0.1", "localhost")))
    return env


def sandbox_connections(sandbox_url: str, key: str) -> dict[str, str]:
    """Return connections that point all four vendors at the sandbox."""
    return {
        f"{vendor}_default": json.dumps(
            {"conn_type": vendor, "host": sandbox_url + path, "password": key},
        )
        for vendor, path in SANDBOX_PATHS.items()
    }
