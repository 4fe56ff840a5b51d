"""One video through a real Airflow and the sandbox, from footage to file: ``python -m tools.demo --help``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_vidai.sandbox.client import Control
from tools.evidence import leaks, waited_in_workers
from tools.landed import book_rows, contact_sheet, file_rows, landed_files, local_path, table
from tools.provide import CLIP, make_media, provide, served
from tools.rest import RestError, Run
from tools.stack import PROJECT, Stack, StackError
from tools.tasklog import failures, recent_logs
from tools.watch import Watcher

CLIP_LENGTH = 3
# A VIDIO reel of a minute and a half takes 13 s at this speed: long enough to be waited for.
SPEED = 7.0
# The option of this command for each param of the DAGs.
PARAMS = {
    "aspect": "aspect_ratio",
    "length": "output_length",
    "category": "video_category",
    "music": "music_category",
}


class DemoError(RuntimeError):
    """The demo can't go on; the message says why."""


def main() -> int:
    """Run the demo; return the exit code."""
    options = _options()
    started = time.monotonic()

    def say(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        print(f"{minutes:3}:{seconds:02}  {line}", flush=True)

    try:
        footage = _footage(options.video)
        say("starting Airflow and the sandbox")
        folder = options.home.resolve() / "demo" / f"{datetime.now():%Y%m%d-%H%M%S}"
        media = options.home.resolve() / "media"
        with (
            Stack(options.home, speed=options.speed, in_environment=False) as stack,
            served(folder) as url,
            served(media) as media_url,
        ):
            say(f"ready: Airflow at {stack.url}, the sandbox at {stack.sandbox_url}/sandbox")
            conf = _conf(stack, options, footage, folder, url)
            make_media(media)
            provide(stack.api, stack.sandbox_connections, media, media_url)
            earlier = len(Control(stack.sandbox_url).purchases())
            run = stack.api.trigger(options.dag, conf)
            say(f"triggered {options.dag}, run {run.run_id}")
            good = _follow(stack, run, earlier, options.timeout, say)
        print(f"\nWall time: {time.monotonic() - started:.0f} s, start and stop of Airflow included")
    except KeyboardInterrupt:
        print("\nInterrupted; everything is stopped.", file=sys.stderr)
        return 130
    except (DemoError, RestError, StackError, TimeoutError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0 if good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    # An empty value is no value: `make demo` passes all of them on.
    parser.add_argument("--dag", default="", help="dag_id (default: vidio_highlight_reel)")
    parser.add_argument("--video", default="", help="path or storage URI (default: the shipped 5 s clip)")
    parser.add_argument("--aspect", default="", help="landscape, portrait or square")
    parser.add_argument("--length", default="", help="seconds")
    parser.add_argument("--category", default="", help="such as travel")
    parser.add_argument("--music", default="", help="such as documentary")
    parser.add_argument("--conf", default="", help="any other params of the DAG, as a JSON object")
    parser.add_argument("--home", type=Path, default=PROJECT / ".airflow", help="default: %(default)s")
    parser.add_argument("--speed", type=float, default=SPEED, help="of the sandbox (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds (default: %(default)s)")
    options = parser.parse_args()
    options.dag = options.dag or "vidio_highlight_reel"
    if options.length and not options.length.isdecimal():
        parser.error(f"the length must be whole seconds, not {options.length!r}")
    options.length = int(options.length or 0)
    try:
        options.conf = dict(json.loads(options.conf or "{}"))
    except (TypeError, ValueError) as error:
        parser.error(f"conf must be a JSON object: {error}")
    return options


def _footage(video: str) -> str:
    if "://" in video:
        return video
    path = Path(video).expanduser() if video else CLIP
    if not path.is_file():
        raise DemoError(f"no such video: {path}")
    return str(path.resolve())


def _conf(stack: Stack, options: argparse.Namespace, footage: str, folder: Path, url: str) -> dict[str, Any]:
    """Return the run's conf: what was asked for, and where the DAG takes footage and leaves files."""
    params = stack.api.wait_for_dag(options.dag)["params"]
    asked = {param: value for name, param in PARAMS.items() if (value := getattr(options, name))}
    asked |= options.conf
    if options.video:
        asked.setdefault("footage", [footage])
    if unknown := asked.keys() - params.keys():
        raise DemoError(f"{options.dag} has no {', '.join(sorted(unknown))}; it has {', '.join(params)}")
    defaults = {
        "footage": [footage],
        "output_length": CLIP_LENGTH,
        "destination": f"{folder}/",
        "public_url": url,
    }
    if options.video:
        # For the shipped clip the DAG's default would be longer than the footage.
        del defaults["output_length"]
    return {name: value for name, value in defaults.items() if name in params} | asked


def _follow(stack: Stack, run: Run, earlier: int, timeout: float, say: Callable[[str], None]) -> bool:
    """Follow the run to its end and report the result; anything that ends this early ends the run too.

    :param earlier: how many purchases there were before the run.
    """
    watcher = Watcher(run, say, stack.check)
    try:
        state = watcher.until_finished(timeout)
    except BaseException:
        _abandon(run)
        raise
    print()
    if state != "success":
        print(failures(run, stack.home / "logs"))
        return False
    _show(stack, run, earlier)
    return _verify(stack, run, watcher)


def _abandon(run: Run) -> None:
    """Fail the run, so that the next start does not go on with it."""
    try:
        run.fail()
    except RestError:
        print(f"The run {run.run_id} could not be ended: the next start goes on with it.", file=sys.stderr)


def _show(stack: Stack, run: Run, earlier: int) -> None:
    files = landed_files(run)
    entries = Control(stack.sandbox_url).purchases()[earlier:]
    print(table(file_rows(files)), table(book_rows(entries)), sep="\n\n")
    sums = (f"{sum(entry[what] for entry in entries)} {what}" for what in ("charged", "refunded"))
    print(f"\n  jobs: {len(entries)} purchases, " + ", ".join(sums))
    for file in files:
        path = local_path(file["uri"])
        if path and str(file.get("content_type", "")).startswith("video/"):
            print(f"  contact sheet: {contact_sheet(path)}")


def _verify(stack: Stack, run: Run, watcher: Watcher) -> bool:
    """Check what the demo is there to show; print a line for each."""
    held = waited_in_workers(run, watcher.deferred)
    logs = recent_logs(stack.home / "logs", run)
    found = leaks(run, logs, stack.secrets.vendor_key)
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in watcher.deferred.items())
    verdicts = [f"FAILED: a worker was held by {task}" for task in held]
    verdicts = verdicts or [f"ok: all waiting was deferred ({times})"]
    verdicts += [f"FAILED: {leak}" for leak in found] or ["ok: no key and no file URL in XCom or logs"]
    print("", *verdicts, sep="\n  ")
    return not held and not found


if __name__ == "__main__":
    sys.exit(main())
