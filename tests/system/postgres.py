"""A PostgreSQL server for one test process, if the environment asks for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.settings import choose_port


@contextlib.contextmanager
def postgresql(home: Path) -> Iterator[str | None]:
    """Run a server if ``VIDAI_TEST_DATABASE=postgresql``; yield its URL, or None for Airflow's default."""
    if os.environ.get("VIDAI_TEST_DATABASE") != "postgresql":
        yield None
        return
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    assert binaries, "no PostgreSQL server on this machine (on Debian and Ubuntu: apt install postgresql)"
    data, port = home.parent / "postgresql", choose_port()
    data.mkdir()
    # The server refuses to run as root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(data, "postgres")
        data.parent.chmod(0o755)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={data}"
    run = [*as_user, str(binaries / "pg_ctl"), "-D", str(data), "-l", str(data / "log"), "-w"]
    initdb = [*as_user, str(binaries / "initdb"), "-D", str(data), "-U", "airflow", "--auth=trust"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/")
    subprocess.run([*run, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    try:
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*run, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd="/")
