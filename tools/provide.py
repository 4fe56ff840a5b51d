"""What the example DAGs read: footage and folders on disk; connections, variables and pools in a stack."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_vidai.sandbox.media import generate, picture
from tools.rest import AirflowApi, RestError
from tools.stack import PROJECT

CLIP = PROJECT / "tests" / "media" / "big_buck_bunny_5s.mp4"
POOL_SLOTS = 10
#: What is made for the folders below the media folder: a text that the video shows, and its seconds.
FOOTAGE = {"footage/surf.mp4": ("Surf", 8.0), "footage/bonfire.mp4": ("Bonfire", 8.0)}
#: Vizard cuts clips of half a minute and more.
TALK, TALK_SECONDS, TALK_SIDE = "watched/talk.mp4", 90.0, 180
PICTURES = {"pictures/lake.jpg": "A mountain lake", "pictures/harbour.jpg": "A harbour at dawn"}
PICTURE_SIZE = (1280, 720)
PROMPTS = """\
model,prompt,size,duration
nano-banana,a lighthouse at dawn,16:9,
sora-2,waves below the lighthouse,,10
gpt-4o-image,the lighthouse keeper at breakfast,1:1,
"""
CAMPAIGN = """\
{"id": "fox", "prompt": "A red fox in fresh snow"}
{"id": "harbour", "prompt": "A harbour at dawn, fishing boats leave", "duration": 10}
{"id": "kite", "prompt": "A kite above a beach"}
"""
HOUR, DAY = 3600, 86_400


def make_media(folder: Path, short_side: int = 720) -> None:
    """Make the files that the example DAGs read, where they are not there yet.

    The scheduled DAGs take files that were changed in a certain hour or day. So each of their files gets two
    names: one is dated an interval back, which a manual run finds at once, and one is dated now.

    :param short_side: of the footage, in pixels.
    """
    for name, (text, seconds) in FOOTAGE.items():
        _once(folder / name, functools.partial(generate.generate, generate.Clip(seconds, text, short_side)))
    talk = generate.Clip(TALK_SECONDS, "A talk", short_side=TALK_SIDE)
    _once(folder / TALK, functools.partial(generate.generate, talk))
    for name, text in PICTURES.items():
        _once(folder / name, functools.partial(_paint, text))
    for name, text in (("prompts.csv", PROMPTS), ("prompts.jsonl", CAMPAIGN)):
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
    _copied(CLIP, folder / "footage" / CLIP.name)
    for source, copy, age in (
        (CLIP, folder / "nightly" / "yesterday.mp4", DAY),
        (CLIP, folder / "nightly" / "today.mp4", 0),
        (folder / TALK, folder / "watched" / "talk an hour ago.mp4", HOUR),
        (folder / TALK, folder / TALK, 0),
    ):
        _copied(source, copy)
        os.utime(copy, (time.time() - age,) * 2)


def _once(path: Path, make: Callable[[Path, threading.Event], None]) -> None:
    """Have a file made in the folder above first, so that one that a DAG finds is whole."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.parent.with_name(f"unfinished{path.suffix}")
    make(unfinished, threading.Event())
    unfinished.replace(path)


def _paint(text: str, path: Path, stop: threading.Event) -> None:
    path.write_bytes(picture.jpeg(generate.painting(text, PICTURE_SIZE, None, stop)))


def _copied(source: Path, copy: Path) -> None:
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the tool's own lines are what is to be read."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine, as a web server does for a storage that cannot sign URLs.

    Yields its URL, which ends in ``/``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def provide(api: AirflowApi, connections: Mapping[str, str], media: Path, url: str) -> list[str]:
    """Store what the example DAGs need, and return a line for each thing that is somebody's own.

    What is missing is made. What points at this machine is from an earlier start, whose ports were others,
    and is replaced. Anything else was set by a person, perhaps with a real key, and is left alone.

    :param connections: the sandbox's connections by id, as JSON.
    :param media: the folder of footage and results.
    :param url: where that folder is served.
    """
    kept = [
        f"{conn_id} is your own and was left as it is"
        for conn_id, value in connections.items()
        if not _store_connection(api, conn_id, json.loads(value))
    ]
    for key, (value, description) in variables(media.as_uri(), url).items():
        _store_variable(api, key, value, description)
    _make_pools(api)
    return kept


def variables(root: str, url: str | None) -> dict[str, tuple[str, str]]:
    """Return the value and the description of each Variable that the example DAGs read.

    :param root: the URI of the media folder.
    :param url: where it is served; None for a storage that signs URLs.
    """
    found = {
        "vidai_media": (root, "Example DAGs read footage from folders in it and write results to others"),
        "vidio_footage_prefix": (f"{root}/nightly/", "vidio_nightly_batch: where new videos arrive"),
        "vidio_reels_prefix": (f"{root}/nightly-reels", "vidio_nightly_batch: where reels are written"),
        "vizard_source_prefix": (f"{root}/watched/", "vizard_watch_folder: where new videos arrive"),
        "vizard_clips_prefix": (f"{root}/watched-clips", "vizard_watch_folder: where clips are written"),
    }
    if url is None:
        return found
    return found | {
        "vidai_media_url": (url.rstrip("/"), "Where the files of vidai_media can be read over HTTP"),
        "vizard_source_url": (f"{url}watched/", "vizard_watch_folder: where Vizard can fetch those videos"),
    }


def _store_connection(api: AirflowApi, conn_id: str, fields: dict[str, Any]) -> bool:
    """Create the connection, or refresh it if it points at this machine; return whether it is ours."""
    body = {"connection_id": conn_id, "description": "The sandbox on this machine", **fields}
    found = _found(api, f"connections/{conn_id}")
    if found is None:
        api.call("POST", "connections", body=body)
    elif _here(found.get("host")):
        api.call("PATCH", f"connections/{conn_id}", body=body)
    else:
        return False
    return True


def _store_variable(api: AirflowApi, key: str, value: str, description: str) -> None:
    body = {"key": key, "value": value, "description": description}
    found = _found(api, f"variables/{key}")
    if found is None:
        api.call("POST", "variables", body=body)
    elif _here(found["value"]):
        api.call("PATCH", f"variables/{key}", body=body)


def _found(api: AirflowApi, path: str) -> dict[str, Any] | None:
    try:
        return dict(api.call("GET", path))
    except RestError as error:
        if error.status == 404:
            return None
        raise


def _here(url: Any) -> bool:
    return urlsplit(str(url)).hostname == "127.0.0.1"


def _make_pools(api: AirflowApi) -> None:
    """Make the pools that tasks are in; Airflow never starts a task whose pool does not exist."""
    there = {pool["name"] for pool in api.collect("pools", "pools")}
    wanted = {
        task["pool"]
        for dag in api.collect("dags", "dags")
        for task in api.call("GET", f"dags/{dag['dag_id']}/tasks")["tasks"]
    }
    for name in wanted - there:
        # They count tasks that wait in the triggerer too.
        api.call("POST", "pools", body={"name": name, "slots": POOL_SLOTS, "include_deferred": True})
