"""Servers that a deployment of Airflow leans on, each a process with a port and a folder of its own.

They can be killed and started again, on the same port and with what their folder kept.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tools.processes import Child, end
from tools.settings import choose_port

START_TIMEOUT = 60.0
GRACE = 5.0


class ServerError(RuntimeError):
    """A server is missing on this machine, or does not answer."""


S = TypeVar("S", bound="Server")


class Server:
    """One server: ``with Redis(folder) as redis: ...`` runs it.

    :param folder: where its data and its log are; it is made.
    """

    name = "server"
    #: The Debian package that has it.
    package = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, choose_port()
        self._child: Child | None = None

    def __enter__(self: S) -> S:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child:
            end([self._child])

    def prepare(self) -> None:
        """Make what the first start needs."""

    def command(self) -> Sequence[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        log = self.folder / f"{self.name}.log"
        self._child = Child(self.name, self.command(), env=os.environ, log=log, grace=GRACE)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._accepts():
            if self._child.exit_code is not None or time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not answer:\n{self._child.tail()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server at once, as a machine that loses power does."""
        assert self._child, "it was never started"
        self._child.signal(signal.SIGKILL, family=True)
        self._child.wait(GRACE)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Redis(Server):
    """A broker that keeps nothing: killed, it loses all messages."""

    name, package = "redis", "redis-server"

    def command(self) -> Sequence[str]:
        """Return the command of a server without files."""
        program = shutil.which("redis-server") or _missing(self)
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder}
        return [program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"


class PostgreSQL(Server):
    """A database that survives being killed."""

    name, package = "postgresql", "postgresql"

    def prepare(self) -> None:
        """Make the cluster. The server refuses to run as root, so then all of it belongs to postgres."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            # A temporary folder is closed to other users.
            self.folder.parent.chmod(0o755)
        made = [self._program("initdb"), "-D", str(self._data), "-U", "airflow", "--auth=trust", "--no-sync"]
        # From the root folder, because the user postgres may not be allowed to enter the current one.
        subprocess.run([*_as_user(), *made], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def command(self) -> Sequence[str]:
        """Return the command of a server that listens on this machine only."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [*_as_user(), self._program("postgres"), "-D", str(self._data), *settings]

    def start(self) -> None:
        """Start it. A server that was killed leaves a file that names its process, which is another one's."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        super().start()

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/postgres"

    def _accepts(self) -> bool:
        # A port that is open is not enough: after a crash the server replays its log first.
        asked = [self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _program(self, name: str) -> str:
        binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
        return str(binaries / name) if binaries else _missing(self)


class S3(Server):
    """An S3 server with one bucket, which is gone when the server ends."""

    name, bucket = "s3", "airflow"

    def command(self) -> Sequence[str]:
        """Return the command of moto's server."""
        return [sys.executable, "-m", "tools.s3_server", "-H", "127.0.0.1", "-p", str(self.port)]

    def start(self) -> None:
        """Start it, and make its bucket."""
        super().start()
        self.client().create_bucket(Bucket=self.bucket)

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """Return Amazon's client of this server."""
        import boto3  # type: ignore[import-untyped]

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def put(self, folder: Path, prefix: str) -> None:
        """Put all files below a folder, with the times at which they were changed."""
        client = self.client()
        for path in folder.rglob("*"):
            if path.is_file():
                client.put_object(
                    Bucket=self.bucket,
                    Key=f"{prefix}{path.relative_to(folder).as_posix()}",
                    Body=path.read_bytes(),
                    Metadata={"changed": str(path.stat().st_mtime)},
                )

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of all objects whose key begins so."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]


def _missing(server: Server) -> NoReturn:
    raise ServerError(
        f"no {server.name} server on this machine (on Debian and Ubuntu: apt install {server.package})"
    )


def _as_user() -> list[str]:
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
