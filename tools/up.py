"""A real Airflow with its UI, and the sandbox, kept up until Ctrl-C: ``python -m tools.up --help``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tools.provide import make_media, provide, served
from tools.rest import RestError
from tools.stack import PROJECT, Stack, StackError

UI_PORT, SANDBOX_PORT = 8080, 8765
# Each example DAG ends within three minutes at this speed; its waiting can still be watched.
SPEED = 10.0

TEXT = """
Airflow's UI   {ui}   (no log-in)
The sandbox    {ui_sandbox}
Footage, files {media}
Logs           {home}/logs

Open a DAG, press Trigger, and press it again in the form: every default works. What the DAGs need is there:
footage, Variables, and the vendors' connections, which point at the sandbox (see Admin). Or from a terminal:

  curl -X PATCH {ui}/api/v2/dags/vidio_highlight_reel -H 'Content-Type: application/json' \\
    -d '{{"is_paused": false}}'
  curl -X POST {ui}/api/v2/dags/vidio_highlight_reel/dagRuns -H 'Content-Type: application/json' \\
    -d '{{"logical_date": null, "conf": {{"output_length": 5}}}}'

Ctrl-C stops everything.
"""


def main() -> int:
    """Keep the stack up; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.up", description=__doc__)
    parser.add_argument("--home", type=Path, default=PROJECT / ".airflow", help="default: %(default)s")
    parser.add_argument("--speed", type=float, default=SPEED, help="of the sandbox (default: %(default)s)")
    options = parser.parse_args()
    print("Starting Airflow and the sandbox ...", flush=True)
    try:
        _keep_up(options.home.resolve(), options.speed)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except (RestError, StackError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _keep_up(home: Path, speed: float) -> None:
    media = home / "media"
    with (
        Stack(home, speed=speed, in_environment=False, ui_port=UI_PORT, sandbox_port=SANDBOX_PORT) as stack,
        served(media) as url,
    ):
        make_media(media)
        for file in stack.dags.glob("*.py"):
            stack.api.wait_for_dag(file.stem)
        for line in provide(stack.api, stack.sandbox_connections, media, url):
            print(line)
        page = f"{stack.sandbox_url}/sandbox"
        print(TEXT.format(ui=stack.url, ui_sandbox=page, home=home, media=media), flush=True)
        while True:
            stack.check()
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
