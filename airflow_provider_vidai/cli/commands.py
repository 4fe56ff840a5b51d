"""The commands, as Airflow reads them. It imports this module for each of its own, so this imports little."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from airflow_provider_vidai._compat import cli_classes

#: By what ``spend`` adds up, and the states by which ``jobs`` chooses.
GROUPS = ("dag", "day", "vendor", "model", "connection")
STATES = ("running", "unresolved", "failed", "finished")
RESOLVE = (
    "Settle a purchase whose outcome is unknown, after you have searched for its job at the vendor. With "
    "--bought, clearing the task waits for that job and buys nothing. With --not-bought, the task's next try "
    "buys."
)


def get_commands() -> list[Any]:
    """Return the group ``vidai``."""
    cli = cli_classes()
    state = cli.Arg(("--state",), choices=STATES, action="append", help="Only in this state (repeatable)")
    by = cli.Arg(("--by",), choices=GROUPS, default="dag", help="By what (default: dag)")
    commands = (
        (
            "show:jobs",
            "List purchases",
            "List purchases from the book under [vidai] ledger_path, the newest first.",
            (state, *_filters(cli.Arg)),
        ),
        (
            "show:spend",
            "Add up what was spent",
            "Add up what was spent, from the book under [vidai] ledger_path.",
            (by, *_filters(cli.Arg)),
        ),
        ("resolve:resolve", "Settle a purchase of unknown outcome", RESOLVE, _resolving(cli.Arg)),
    )
    return [
        cli.GroupCommand(
            name="vidai",
            help="Paid AI video jobs: what was bought, what it cost, what is unresolved",
            subcommands=tuple(
                cli.ActionCommand(
                    name=path.partition(":")[2], help=title, description=text, func=_lazy(path), args=args
                )
                for path, title, text, args in commands
            ),
        )
    ]


def _filters(arg: Callable[..., Any]) -> tuple[Any, ...]:
    return (
        arg(("--since",), default="30d", help="How far back: 12h, 30d, 4w, or a date (default: 30d)"),
        arg(("--vendor",), help="Only of this vendor"),
        arg(("--dag",), help="Only of this DAG"),
        arg(("--connection",), help="Only through this connection"),
        arg(("--json",), action="store_true", help="Print JSON"),
        arg(("--csv",), action="store_true", help="Print CSV"),
    )


def _resolving(arg: Callable[..., Any]) -> tuple[Any, ...]:
    return (
        arg(("dag_id",), help="The DAG's id"),
        arg(("run_id",), help="The run's id"),
        arg(("task_id",), help="The task's id"),
        arg(("--map-index",), type=int, default=-1, help="The index of a mapped task"),
        arg(("--lap",), default="", help="The lap of a loop, as 'jobs' shows it"),
        arg(("--entry",), help="Which purchase of the task, where several are unresolved"),
        arg(("--bought",), metavar="JOB_ID", help="The vendor has this job"),
        arg(("--not-bought",), action="store_true", help="The vendor has no such job"),
        arg(("--connection",), help="The connection that bought it, where the record does not name it"),
        arg(("--model",), help="The model that was asked for, where the record does not name it"),
        arg(("--kind",), help="The kind of the job, where the record does not name it (Vidgo: music)"),
        arg(("--no-check",), action="store_true", help="Do not ask the vendor for the job's status first"),
    )


def _lazy(path: str) -> Callable[[Any], None]:
    module, _, name = path.partition(":")

    def run(arguments: Any) -> None:
        getattr(import_module(f"airflow_provider_vidai.cli.{module}"), name)(arguments)

    run.__name__ = name
    return run
