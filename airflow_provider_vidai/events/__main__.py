"""Prints the address to put into a vendor's settings: ``python -m airflow_provider_vidai.events vizard``."""

from __future__ import annotations

import argparse
import sys

from airflow_provider_vidai.events.shared import PARSERS
from airflow_provider_vidai.hooks.webhook import webhook
from airflow_provider_vidai.purchase.hint import Hint


def main() -> int:
    """Print the address; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_vidai.events", description=__doc__)
    parser.add_argument("vendor", choices=list(PARSERS))
    vendor = parser.parse_args().vendor
    found = webhook()
    if found is None:
        parser.error("set [vidai] webhook_secret (32 characters or more) and webhook_base_url first")
    print(found.url(Hint(vendor=vendor)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
