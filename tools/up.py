"""A real Airflow with its UI, and the sandbox, kept up until Ctrl-C: ``python -m tools.up --help``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tools.stack import PROJECT, Stack, StackError

UI_PORT, SANDBOX_PORT = 8080, 8765

TEXT = """
Airflow's UI   {ui}   (no log-in)
The sandbox    {sandbox}/sandbox
Logs, files    {home}

The four vendors' connections (vidio_default, venice_default, ...) point at the sandbox. Trigger a DAG in
the UI, or:

  curl -X PATCH {ui}/api/v2/dags/vidio_highlight_reel -H 'Content-Type: application/json' \\
    -d '{{"is_paused": false}}'
  curl -X POST {ui}/api/v2/dags/vidio_highlight_reel/dagRuns -H 'Content-Type: application/json' \\
    -d '{{"logical_date": null, "conf": {{"footage": ["{clip}"], "output_length": 3,
          "destination": "{home}/up/"}}}}'

Ctrl-C stops everything.
"""


def main() -> int:
    """Keep the stack up; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.up", description=__doc__)
    parser.add_argument("--home", type=Path, default=PROJECT / ".airflow", help="default: %(default)s")
    parser.add_argument("--speed", type=float, default=1.0, help="of the sandbox (default: %(default)s)")
    options = parser.parse_args()
    print("Starting Airflow and the sandbox ...", flush=True)
    try:
        with Stack(options.home, speed=options.speed, ui_port=UI_PORT, sandbox_port=SANDBOX_PORT) as stack:
            clip = PROJECT / "tests" / "media" / "big_buck_bunny_5s.mp4"
            print(
                TEXT.format(ui=stack.url, sandbox=stack.sandbox_url, home=stack.home, clip=clip), flush=True
            )
            while True:
                stack.check()
                time.sleep(1)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
