"""The command ``python -m airflow_provider_vidai.sandbox``."""

import argparse
import contextlib
import sys
from pathlib import Path

from airflow_provider_vidai.sandbox.doors import Doors
from airflow_provider_vidai.sandbox.server import listen, make_server
from airflow_provider_vidai.sandbox.world import World


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_vidai.sandbox",
        description="A local stand-in for the vendors' APIs: no key, no cost, real media.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name to answer to; may be given several times, and * allows any name",
    )
    parser.add_argument(
        "--port", type=int, default=8765, help="port to listen on; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how many times faster than real time jobs run (default: 1)"
    )
    parser.add_argument("--data", type=Path, help="folder in which files are kept (default: a temporary one)")
    options = parser.parse_args()
    if options.data:
        options.data.mkdir(parents=True, exist_ok=True)
    try:
        world = World(options.speed, options.data)
        listener, url = listen(options.host, options.port)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    sys.stdout.write(f"Sandbox at {url} (see {url}/sandbox)\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after the shutdown
        make_server(world, Doors(options.host, options.allow_host)).run(sockets=[listener])


if __name__ == "__main__":
    main()
