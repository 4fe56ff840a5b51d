"""Every test process has an Airflow home of its own, and no network but this machine's loopback."""

from __future__ import annotations

import atexit
import functools
import ipaddress
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

# Airflow reads its settings when it is imported, so this comes before every other import.
_HOME = tempfile.mkdtemp(prefix="vidai-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("AIRFLOW") or name.lower().endswith("_proxy")]:
    del os.environ[_name]
os.environ.update(
    AIRFLOW_HOME=_HOME,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__CORE__FERNET_KEY="",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME}/airflow.db",
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=f"{_HOME}/logs",
    # Stills have tests of their own; here they would only take time.
    AIRFLOW__VIDAI__POSTERS="False",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    NO_PROXY="localhost,127.0.0.1,::1",
)

import httpx._transports.default  # noqa: E402
import pytest  # noqa: E402

from tests.support.pauses import Pauses, shorten  # noqa: E402


def _local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not host or host in ("localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _no_network(event: str, args: tuple) -> None:
    """Fail connections that would leave the machine, as they fail on a machine without a network."""
    if event == "socket.getaddrinfo" and not _local(args[0]) and not _is_address(args[0]):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    # A datagram socket sends nothing when it connects: that is a way to find out this machine's own address.
    stream = event == "socket.connect" and args[0].type & socket.SOCK_STREAM
    if stream and args[0].family in (socket.AF_INET, socket.AF_INET6) and not _local(args[1][0]):
        raise OSError(101, f"tests reach loopback only, not {args[1][0]}")


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return True


sys.addaudithook(_no_network)

# httpx makes a TLS context for each client, in 30 ms. Here, thousands talk to a sandbox without TLS.
httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)  # type: ignore[attr-defined]


@pytest.fixture
def media() -> Path:
    """A real video: 5 s of Big Buck Bunny, 1280 by 720."""
    return REPOSITORY / "tests" / "media" / "big_buck_bunny_5s.mp4"


@pytest.fixture
def case() -> Callable[[str], Path]:
    """Find a file of tests/media/cases by its name; the README there explains each one."""
    return lambda name: REPOSITORY / "tests" / "media" / "cases" / name


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch):
    """Define an Airflow connection for the duration of the test."""

    def define(conn_id: str = "vidio_default", **fields: object) -> str:
        fields = {"conn_type": "vidio", "password": "sandbox-key", **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """Shorten the pauses of the package and of Airflow to a fiftieth of their time."""
    return shorten(monkeypatch)


@pytest.fixture
def hurry(pauses: Pauses) -> list[float]:
    """Shorten pauses likewise; return how long those of the package were meant to be."""
    return pauses.asked
