"""The commands, as Airflow reads them. It imports this module for each of its own, so this imports little."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from airflow_provider_vidai._compat import cli_classes, in_server

#: By what ``spend`` adds up, and the states by which ``jobs`` chooses.
GROUPS = ("dag", "day", "vendor", "model", "connection")
STATES = ("running", "unresolved", "failed", "finished")
RESOLVE = (
    "Settle a purchase whose outcome is unknown, after you have searched for its job at the vendor. With "
    "--bought, clearing the task waits for that job and buys nothing. With --not-bought, the task's next try "
    "buys."
)
PLAN = (
    "Show what a run of a DAG would buy and cost. Nothing is bought or uploaded: the only calls are free "
    "quotes."
)
DOCTOR = (
    "Check what this package needs. The exit code is 1 where a check failed. With --live, buy one small job "
    "instead, land it, and write a report about the vendor's answers that holds no secret."
)
VENDORS = ("venice", "vidgo", "vidio", "vizard")


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
        ("plan:plan", "Show what a run would buy", PLAN, _planning(cli.Arg)),
        (
            "doctor.command:doctor",
            "Check connections, storage, settings and Airflow",
            DOCTOR,
            _doctor(cli.Arg),
        ),
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
        arg(("--lap",), default="", help="The lap of a loop, or the part of a task, as 'jobs' shows it"),
        arg(("--entry",), help="Which purchase of the task, where several are unresolved"),
        arg(("--bought",), metavar="JOB_ID", help="The vendor has this job"),
        arg(("--not-bought",), action="store_true", help="The vendor has no such job"),
        arg(("--connection",), help="The connection that bought it, where the record does not name it"),
        arg(("--model",), help="The model that was asked for, where the record does not name it"),
        arg(("--kind",), help="The kind of the job, where the record does not name it (Vidgo: music)"),
        arg(("--no-check",), action="store_true", help="Do not ask the vendor for the job's status first"),
    )


def _planning(arg: Callable[..., Any]) -> tuple[Any, ...]:
    return (
        arg(("dag_id",), help="The DAG's id"),
        arg(("--conf",), help="The run's conf, as JSON"),
        arg(("--json",), action="store_true", help="Print JSON"),
    )


def _doctor(arg: Callable[..., Any]) -> tuple[Any, ...]:
    return (
        arg(("--connection",), action="append", help="Only this connection (repeatable)"),
        arg(("--no-dags",), action="store_true", help="Do not parse the DAG files"),
        arg(("--json",), action="store_true", help="Print JSON"),
        arg(("--live",), choices=VENDORS, help="Buy the smallest job of this vendor and check its answers"),
        arg(("--max-usd",), type=float, help="With --live: buy nothing if it costs more, in USD"),
        arg(("--model",), help="With --live: of this model (Venice, Vidgo)"),
        arg(
            ("--source",), help="With --live: the footage (VIDIO: a file; Vizard: a URL or an object storage)"
        ),
        arg(("--to",), help="With --live: the folder to land in; by default a new temporary one"),
        arg(("--report",), help="With --live: the file of the report (default: vidai-live-VENDOR.json)"),
    )


def _lazy(path: str) -> Callable[[Any], None]:
    module, _, name = path.partition(":")

    # Airflow builds all commands for each one that is called, so a command's own imports wait for its call.
    def run(arguments: Any) -> None:
        in_server()
        getattr(import_module(f"airflow_provider_vidai.cli.{module}"), name)(arguments)

    run.__name__ = name
    return run
