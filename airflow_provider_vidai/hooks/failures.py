"""Translates this package's errors into Airflow's exceptions, and says what they mean.

Nothing is decided here about sending a call again: :mod:`airflow_provider_vidai.net.retry` does that for SAFE
calls within one attempt of the task, and the purchase's own rules do it for what buys. An error that arrives
here says by itself whether a later attempt can help.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Protocol

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_vidai.errors import (
    ApiError,
    Charged,
    InputError,
    JobError,
    LedgerError,
    TransferError,
    VidaiError,
)

__all__ = [
    "NOTHING_BOUGHT",
    "Outlook",
    "SensorTimedOut",
    "TaskFailed",
    "TaskFailedForGood",
    "airflow_failures",
    "is_nested",
    "is_retryable",
]

#: The XCom in which a failed try leaves what happened, for the Media page and for other tasks.
XCOM_KEY = "failure"
#: Airflow's log page does not wrap lines. In a window of 1280 pixels it has room for 118 characters, of which
#: the date and the level take 30 in the first line.
FIRST, WIDTH = 88, 112
LINES = 4
#: What happened is stored up to this length; a vendor's text may be long.
_LONGEST = 2000
_LEDGER_FATE = "This try bought nothing; what an earlier one bought is kept."


@dataclass(frozen=True)
class Outlook:
    """What a failed task knows about the money by itself, for errors that do not say it.

    :param cost: a sentence on the money.
    :param clear: a sentence on what clearing the task does now.
    """

    cost: str
    charged: Charged
    clear: str


#: The outlook of a task that only reads, checks, uploads or downloads.
NOTHING_BOUGHT = Outlook("This task buys nothing.", "no", "A Clear buys nothing.")


class _Task(Protocol):
    """A task that may fail: an operator or a sensor."""

    @property
    def log(self) -> Any:
        """Its log."""

    def outlook(self) -> Outlook:
        """Return what the task knows about the money by itself."""


class TaskFailed(AirflowException):
    """A task failed, and Airflow may try it again.

    ``on_failure_callback`` finds it in ``context["exception"]``. Its text is the error's whole text.
    """

    #: What happened.
    what: str = ""
    #: What it cost, in a sentence.
    cost: str = ""
    #: What it cost, in a word; ``maybe`` whenever the vendor does not say.
    charged: Charged = "maybe"
    #: What to do now, and what clearing the task does.
    todo: str = ""
    #: The error behind it.
    error: VidaiError | None = None

    def facts(self) -> dict[str, str]:
        """Return what a person needs, as JSON."""
        return {"what": self.what, "cost": self.cost, "todo": self.todo, "charged": self.charged}

    def block(self) -> str:
        """Return the same for the log: at most :data:`LINES` lines that fit into the window."""
        cost, todo = f"Cost: {self.cost}", f"To do: {self.todo}"
        what = _wrapped(self.what, first=FIRST)
        rest = [*_wrapped(cost), *_wrapped(todo)]
        if len(what) + len(rest) > LINES:
            rest = _wrapped(f"{cost} {todo}", LINES - 1)
        # What does not fit stands in the exception's text, which follows in the log.
        return "\n".join([*_wrapped(self.what, LINES - len(rest), first=FIRST), *rest])


class TaskFailedForGood(TaskFailed, AirflowFailException):
    """A task failed in a way that a retry cannot help, so Airflow does not try it again."""


class SensorTimedOut(TaskFailed, AirflowSensorTimeout):
    """A sensor's time is up before its job has ended; Airflow does not try it again."""


def is_retryable(error: VidaiError) -> bool:
    """Whether Airflow's own retry of the task can do something useful."""
    if isinstance(error, InputError):
        return False
    # Nothing was sent, and an outage of the storage or of Airflow's API passes.
    if isinstance(error, LedgerError):
        return True
    if isinstance(error, (ApiError, JobError, TransferError)):
        return error.retryable
    return True


def is_nested(context: Mapping[str, Any], task: object) -> bool:
    """Whether another task's code called this operator's ``execute``, as a ``@task`` function can.

    Airflow then has no way to come back to it after a deferral: it would call the task that is running.
    """
    return getattr(context["ti"], "task", task) is not task


class airflow_failures:  # noqa: N801 - used like a function
    """Turn this package's errors into the exceptions by which Airflow fails or retries a task.

    These errors are expected, and frames of the stack explain nothing about them. A person first gets three
    sentences, in the log and in an XCom, and the exception has no chain and the fewest frames. Other
    exceptions pass unchanged.

    :param quietly: say nothing, because the task will be skipped instead.
    :param report: is called with the error before that.
    """

    def __init__(
        self,
        task: _Task,
        context: Mapping[str, Any],
        *,
        quietly: bool = False,
        report: Callable[[VidaiError], None] | None = None,
    ) -> None:
        self._task, self._context, self._quietly, self._report = task, context, quietly, report

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the exception for an error of this package."""
        if isinstance(error, VidaiError):
            if self._report is not None:
                self._report(error)
            failed = self.failed(error)
            # The stack of the error itself helps only to find a fault in this package.
            self._task.log.debug("Where the error was raised:", exc_info=error)
            raise failed from None

    def failed(self, error: VidaiError, kind: type[TaskFailed] | None = None) -> TaskFailed:
        """Return the exception for an error, after reporting the error to a person.

        :param kind: by default, whichever lets Airflow try again where that can help.
        """
        failed = _failure(error, self._task.outlook(), _tries_left(self._context), kind)
        if not self._quietly:
            self._task.log.error("%s", failed.block())
            self._push(failed)
        return failed

    def _push(self, failed: TaskFailed) -> None:
        """Store what happened where other processes find it. Nothing here may hide the failure itself."""
        try:
            if is_nested(self._context, self._task):
                return  # the other task may go on without this operator, and then it has not failed
            if isinstance(self._context, dict):
                # Airflow 3.1 does not give it to callbacks itself.
                self._context["exception"] = failed
            instance = self._context["ti"]
            value = {
                **failed.facts(),
                "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "try_number": instance.try_number,
            }
            instance.xcom_push(key=XCOM_KEY, value=value)
        except Exception as trouble:  # noqa: BLE001
            self._task.log.debug("The failure could not be stored as an XCom: %s", trouble)


def _failure(
    error: VidaiError, outlook: Outlook, tries_left: bool | None, kind: type[TaskFailed] | None
) -> TaskFailed:
    retryable = is_retryable(error)
    # A ledger's error does not know what earlier tries bought, so it must not say that nothing was.
    ledger = isinstance(error, LedgerError)
    kind = kind or (TaskFailed if retryable else TaskFailedForGood)
    failed = kind(f"{error}. {_LEDGER_FATE}" if ledger else str(error))
    failed.what = (f"{error.what}." if ledger else error.what)[:_LONGEST]
    failed.cost = _LEDGER_FATE if ledger else error.fate or outlook.cost
    failed.charged = error.charged or outlook.charged
    # What the error says of a Clear is nearer to the facts than the task's outlook.
    clear = outlook.clear if error.clear is None else error.clear
    failed.todo = f"{error.todo or _remedy(error, retryable, tries_left)} {clear}".rstrip()
    failed.error = error
    return failed


def _remedy(error: VidaiError, retryable: bool, tries_left: bool | None) -> str:
    """Return what to do about an error that does not say it itself."""
    if retryable:
        if tries_left is None:
            return "Try again."
        return "Airflow tries again by itself." if tries_left else "Clear the task to try again."
    if isinstance(error, InputError):
        return "Correct the input, then clear the task."
    if isinstance(error, ApiError):
        return "Correct the connection or the account, then clear the task."
    return "Correct the cause, then clear the task."


def _tries_left(context: Mapping[str, Any]) -> bool | None:
    """Whether Airflow will try again if it may; None if it is not known."""
    instance = context.get("ti") if context else None
    # Airflow counts the retries in max_tries, and the tries from 1.
    try:
        return bool(instance.try_number <= instance.max_tries)  # type: ignore[union-attr]
    except (AttributeError, TypeError):
        return None


def _wrapped(text: str, lines: int | None = None, *, first: int = WIDTH) -> list[str]:
    shorter = " " * (WIDTH - first)
    wrapped = textwrap.wrap(text, WIDTH, initial_indent=shorter, max_lines=lines, placeholder=" …")
    return [line.removeprefix(shorter) for line in wrapped]
