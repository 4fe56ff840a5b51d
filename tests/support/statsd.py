"""A statsd server, as far as it receives."""

from __future__ import annotations

import socket
import threading
import time


class Listener:
    """What arrives at a port of this machine, with Airflow's tags as InfluxDB has them."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self.socket:
            while data := self.socket.recv(65536):
                self.lines += data.decode().splitlines()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", ("127.0.0.1", self.port))

    @property
    def settings(self) -> dict[str, str]:
        """The options of ``[metrics]`` with which Airflow sends here."""
        on = {"statsd_on": "True", "statsd_influxdb_enabled": "True"}
        return {**on, "statsd_host": "127.0.0.1", "statsd_port": str(self.port)}

    def values(self, name: str, **tags: str) -> list[float]:
        """Return what arrived under a name, with these tags among others."""
        found = []
        for line in self.lines:
            series, _, value = line.partition(":")
            measured, *given = series.split(",")
            if measured == f"airflow.{name}" and {f"{key}={one}" for key, one in tags.items()} <= {*given}:
                found.append(float(value.partition("|")[0]))
        return found

    def wait(self, name: str, *, timeout: float = 5.0, **tags: str) -> list[float]:
        """Return the same, once there is something."""
        until = time.monotonic() + timeout
        while not self.values(name, **tags):
            assert time.monotonic() < until, (name, tags, self.lines)
            time.sleep(0.02)
        return self.values(name, **tags)
