"""The commands for an Airflow that takes none from providers (before 3.2)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_vidai.cli.commands import get_commands


def parser() -> argparse.ArgumentParser:
    """Return the same commands as ``airflow vidai`` has."""
    found = argparse.ArgumentParser(prog="python -m airflow_provider_vidai.cli", description=__doc__)
    group = get_commands()[0]
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    for command in group.subcommands:
        sub = commands.add_parser(command.name, help=command.help, description=command.description)
        for argument in command.args:
            argument.add_to_parser(sub)
        sub.set_defaults(func=command.func)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    given = parser().parse_args(arguments)
    given.func(given)


if __name__ == "__main__":
    main(sys.argv[1:])
