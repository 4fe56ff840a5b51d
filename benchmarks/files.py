"""Downloads and uploads of 2 GiB: memory, one stream compared with curl, ranges from a capped server, S3.

``python -m benchmarks.files`` prints the table of the README. The servers are processes of their own:
a source and sink that sends with sendfile(2), the same with a cap on each connection, and moto's S3.
Every measured transfer runs in a process of its own as well, and rounds alternate between the package and
curl.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEDIA = Path(__file__).parents[1] / "tests" / "media" / "big_buck_bunny_5s.mp4"
CAP = 25e6
#: A smaller file comes from S3, because moto reads the whole object for each range that is requested.
FROM_S3 = 256 << 20
S3_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


# --- the servers ------------------------------------------------------------------------------


def serve(file: str, cap: float) -> None:
    """Serve ``file`` to every GET, with ranges, and discard every PUT. ``cap`` is bytes per second, or 0."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=_answer_all, args=(peer, file, cap), daemon=True).start()


def _answer_all(peer: socket.socket, file: str, cap: float) -> None:
    with contextlib.suppress(OSError), contextlib.closing(peer), open(file, "rb") as source:  # noqa: PTH123
        requests = peer.makefile("rb")
        while line := requests.readline():
            headers: dict[str, str] = {}
            while (text := requests.readline().decode()) not in ("\r\n", ""):
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            if line.startswith(b"PUT"):
                _swallow(requests, int(headers["content-length"]))
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            else:
                _send(peer, source, headers.get("range"), cap)


def _swallow(body: Any, length: int) -> None:
    room = memoryview(bytearray(1 << 20))
    while length:
        length -= body.readinto(room[:length])


def _send(peer: socket.socket, source: Any, asked: str | None, cap: float) -> None:
    size = os.fstat(source.fileno()).st_size
    first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
    start, end = int(first), int(last) + 1 if last else size
    peer.sendall(
        f"HTTP/1.1 {206 if asked else 200} OK\r\nContent-Length: {end - start}\r\n"
        f"Content-Range: bytes {start}-{end - 1}/{size}\r\nContent-Type: video/mp4\r\n"
        'Accept-Ranges: bytes\r\nETag: "v1"\r\n\r\n'.encode()
    )
    began, sent = time.monotonic(), 0
    while start + sent < end:
        left = end - start - sent
        sent += os.sendfile(peer.fileno(), source.fileno(), start + sent, min(left, 1 << 18) if cap else left)
        if cap:
            time.sleep(max(0.0, sent / cap - (time.monotonic() - began)))


@contextlib.contextmanager
def running(*command: str) -> Iterator[int]:
    """Run a server that prints its port first."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


S3_SERVER = """
import logging, time
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
time.sleep(1e6)
"""


# --- one measured transfer, in a process of its own -------------------------------------------


def transfer(way: str, url: str, path: str) -> None:
    """Download ``url`` to ``path``, or upload ``path`` to ``url``, and print what it cost."""
    from airflow_provider_vidai.files.download import download
    from airflow_provider_vidai.files.storage import source, storage_path
    from airflow_provider_vidai.files.upload import upload
    from airflow_provider_vidai.jobs.calls import Fetch, Put
    from airflow_provider_vidai.net.account import Account

    account = Account(label="A vendor", base_url="http://127.0.0.1:9", key_headers={})
    _warm_up(storage_path, path)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, cpu, began = _memory("VmRSS"), time.process_time(), time.monotonic()
    if way == "down":
        download(account, lambda: Fetch(url=url, kind="video"), path, "video")
    else:
        upload(account, lambda: Put(url, "video/mp4"), source(path))
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "cpu": time.process_time() - cpu,
                "memory": (_memory("VmHWM") - before) / 1024,
            }
        )
    )


def _warm_up(storage_path: Any, path: str) -> None:
    """Import what every process needs, and connect to the storage, before anything is measured."""
    import av  # noqa: F401

    folder = storage_path(path).parent
    if folder.protocol == "s3":
        folder.fs.pipe_file(f"{folder.path.rstrip('/')}/warm", b"x")


def _memory(what: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    raise KeyError(what)


# --- the comparison ---------------------------------------------------------------------------


def package(way: str, url: str, path: str, **environment: str) -> dict[str, float]:
    """Run one transfer by the package."""
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.files", "--transfer", way, url, path],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return dict(json.loads(output.splitlines()[-1]))


def curl(*arguments: str, then: list[str] | None = None) -> dict[str, float]:
    """Run one transfer by curl, and ``then`` another command whose time counts too."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["curl", "-sSf", *arguments], check=True, stdout=subprocess.DEVNULL)
    if then:
        subprocess.run(then, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {"seconds": time.monotonic() - began, "cpu": cpu}


class Table:
    """A table of medians, one row per case."""

    def __init__(self, size: int) -> None:
        self.size = size

    def row(
        self,
        case: str,
        ours: list[dict[str, float]],
        theirs: list[dict[str, float]],
        size: int | None = None,
    ) -> None:
        """Print a row: the package's runs, and curl's where it ran."""

        def speed(seconds: float) -> str:
            return f"{(size or self.size) / seconds / 1e6:.0f}"

        middle = {key: statistics.median(run[key] for run in ours) for key in ours[0]}
        cells = [case, speed(middle["seconds"]), f"{middle['cpu']:.1f}", f"{middle['memory']:.0f}"]
        if theirs:
            seconds = statistics.median(run["seconds"] for run in theirs)
            ratios = [one["seconds"] / other["seconds"] for one, other in zip(theirs, ours, strict=True)]
            cells += [
                speed(seconds),
                f"{statistics.median(run['cpu'] for run in theirs):.1f}",
                f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})",
            ]
        else:
            cells += ["", "", ""]
        print("| " + " | ".join(cells) + " |", flush=True)


def write_video(path: Path, size: int) -> None:
    """Write a video of ``size`` bytes: a real one, and an MP4 box of padding."""
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        file.write(MEDIA.read_bytes())
        file.write((1).to_bytes(4, "big") + b"free" + (size - file.tell()).to_bytes(8, "big"))
        while left := size - file.tell():
            file.write(block[:left])


def compare(folder: Path, size: int, from_s3: int, rounds: int, cases: list[str]) -> None:
    """Measure ``cases``, and print the table."""
    source, target = folder / "source.mp4", folder / "target.mp4"
    write_video(source, size)
    os.sync()
    server = ["-m", "benchmarks.files", "--serve", str(source)]
    table = Table(size)
    print("| case | MB/s | CPU s | memory MiB | curl MB/s | curl CPU s | ratio |")
    print("|--|--|--|--|--|--|--|")
    with running(*server, "0") as port:
        url = f"http://127.0.0.1:{port}/"
        if "local" in cases:
            local(table, url, source, target, rounds)
        if "s3" in cases:
            s3(table, url, source, from_s3, rounds)
    if "capped" in cases:
        with running(*server, str(CAP)) as port:
            capped(table, f"http://127.0.0.1:{port}/", target, rounds)
    source.unlink()


def local(table: Table, url: str, source: Path, target: Path, rounds: int) -> None:
    """Measure downloads and uploads on a disk of this machine."""
    ours, theirs, synced = [], [], []
    for _ in range(rounds):
        for runs, then in ((theirs, None), (synced, ["sync", str(target)])):
            runs.append(curl("-o", str(target), url, then=then))
            target.unlink()
        ours.append(package("down", url, str(target)))
        target.unlink()
    table.row("download; curl leaves it in the page cache", ours, theirs)
    table.row("download; curl, then sync(1)", ours, synced)
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(curl("-T", str(source), url))
        ours.append(package("up", url, str(source)))
    table.row("upload", ours, theirs)


def capped(table: Table, url: str, target: Path, rounds: int) -> None:
    """Measure a download from a server that caps each connection."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(curl("-o", str(target), url))
        target.unlink()
        ours.append(package("down", url, str(target)))
        target.unlink()
    table.row(f"download, {CAP / 1e6:.0f} MB/s a connection", ours, theirs)


def s3(table: Table, url: str, source: Path, from_s3: int, rounds: int) -> None:
    """Measure downloads and uploads on S3. The closest that curl can do is one PUT of the whole object."""
    piece = source.with_name("piece.mp4")
    write_video(piece, from_s3)
    with running("-c", S3_SERVER) as port:
        endpoint = f"http://127.0.0.1:{port}"
        # moto takes a minute to join the parts, and fails if the request is repeated meanwhile.
        extra = {"endpoint_url": endpoint, "region_name": "us-east-1", "config_kwargs": {"read_timeout": 600}}
        connection = {"conn_type": "aws", "extra": extra}
        environment = {**S3_KEYS, "AIRFLOW_CONN_S3": json.dumps(connection)}
        curl("-X", "PUT", f"{endpoint}/bucket")
        curl("-T", str(piece), f"{endpoint}/bucket/piece.mp4")
        down, up, put = [], [], []
        for number in range(rounds):  # new names, because moto fails when a file of this size is replaced
            put.append(curl("-T", str(source), f"{endpoint}/bucket/theirs-{number}.mp4"))
            down.append(package("down", url, f"s3://s3@bucket/ours-{number}.mp4", **environment))
            up.append(package("up", url, "s3://s3@bucket/piece.mp4", **environment))
    table.row("download to S3; curl puts the file there", down, put)
    table.row(f"upload of {from_s3 >> 20} MiB from S3", up, [], from_s3)
    piece.unlink()


def main() -> None:
    """Measure, or run a server or one transfer in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=2 << 30, help="bytes")
    parser.add_argument("--from-s3", type=int, default=FROM_S3, help="bytes of the file that is read from S3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=["local", "s3", "capped"])
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--transfer", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], float(options.serve[1]))
    elif options.transfer:
        transfer(*options.transfer)
    else:
        compare(options.folder, options.size, options.from_s3, options.rounds, options.cases)


if __name__ == "__main__":
    main()
