"""Reports to people what a task made or why it failed, what it cost, and what to do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseNotifier, Context
from pydantic import ValidationError

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.hooks.failures import XCOM_KEY
from airflow_provider_vidai.jobs.cost import price
from airflow_provider_vidai.jobs.media_record import MediaRecord
from airflow_provider_vidai.operators.context import task_key_of
from airflow_provider_vidai.operators.media import MEDIA

__all__ = ["Message", "SpendNotifier"]


@dataclass(frozen=True)
class Message:
    """What happened to a task, in three sentences without secrets.

    :param what: what happened.
    :param cost: what it cost.
    :param todo: what to do.
    :param link: the address of the page that shows it; empty where Airflow's own address is not configured.
    """

    what: str
    cost: str
    todo: str
    link: str = ""

    @property
    def text(self) -> str:
        """The three of them as lines; the last one ends with the link."""
        last = " ".join(part for part in (self.todo, self.link) if part)
        return "\n".join((self.what, f"Cost: {self.cost}", f"To do: {last}"))


class SpendNotifier(BaseNotifier):
    """Write a message about a task, and let other notifiers send it.

    It serves ``on_failure_callback``, ``on_retry_callback`` and ``on_success_callback`` of the operators and
    sensors of this package, and ``notifiers`` of Airflow's approval operators. The notifiers that send it
    read it in their templates as ``{{ vidai.text }}``, or in parts: ``vidai.what``, ``vidai.cost``,
    ``vidai.todo``, ``vidai.link``.

    Example::

        SpendNotifier(SlackNotifier(text="{{ vidai.text }}", channel="#videos"))

    :param senders: notifiers, or functions of the context.
    """

    template_fields = ()

    def __init__(self, *senders: Callable[[Any], Any]) -> None:
        super().__init__()
        self.senders = senders

    def notify(self, context: Context) -> None:
        """Send the message with each of the senders, also if one of them fails."""
        known: Any = {**context, "vidai": message_of(context)}
        troubles = []
        for sender in self.senders:
            try:
                # A notifier renders its templates in place, so each message needs a fresh one.
                copy.copy(sender)(known)
            except Exception as error:  # noqa: BLE001 - the others can still send it
                self.log.warning("%s could not send it: %s", type(sender).__name__, error)
                troubles.append(error)
        if troubles:
            raise troubles[0]


def message_of(context: Any) -> Message:
    """Return the message about the task of ``context``."""
    task = context.get("task")
    # Recognized by what it has, because an older standard provider has no approval operators to import.
    if hasattr(task, "subject") and hasattr(task, "generate_link_to_ui"):
        return _question(context, task)
    if context.get("exception") is not None:
        return _failure(context)
    return _success(context)


def _question(context: Any, task: Any) -> Message:
    try:
        link = str(task.generate_link_to_ui(task_instance=context["ti"]))
    except ValueError:
        link = ""
    cost = "This question costs nothing; what comes after it waits for an answer."
    waits = context.get("vidai_waits")
    asks = f"has been waiting for an answer for {waits}" if waits else "asks"
    return Message(f"{_name(context)} {asks}: {task.subject}", cost, "Answer it.", link)


def _failure(context: Any) -> Message:
    error = context["exception"]
    facts = {name: getattr(error, name, "") for name in ("what", "cost", "todo")}
    if not facts["what"]:
        # Airflow does not always hand over the exception itself.
        found = _xcom(context, XCOM_KEY)
        facts = found if isinstance(found, dict) else {}
    # The text of an exception of other code may hold a secret.
    what = str(facts.get("what") or f"{type(error).__name__}.")
    cost = str(facts.get("cost") or "not known here; the task's log has it.")
    todo = str(facts.get("todo") or "Read the task's log.")
    return Message(f"{_name(context)} failed: {what}", cost, todo, _link(context))


def _success(context: Any) -> Message:
    try:
        record = MediaRecord.model_validate(_xcom(context, MEDIA))
    except ValidationError:
        cost = price(_xcom(context, "cost")) or "none is known."
        return Message(f"{_name(context)} succeeded.", cost, "Nothing.", _link(context))
    files = len(record.files)
    landed = f", and landed {files} file{'' if files == 1 else 's'}" if files else ""
    title = f" ({record.title})" if record.title else ""
    what = f"{_name(context)}: {record.label} has finished {record.kind} {record.job_id}{title}{landed}."
    cost = price(record.cost) or f"{record.label} reports no price."
    return Message(what, cost, "Watch it." if files else "Nothing.", _link(context))


def _name(context: Any) -> str:
    key = task_key_of(context)
    index = f"[{key.map_index}]" if key.map_index >= 0 else ""
    return f"{key.dag_id}.{key.task_id}{index} ({key.run_id})"


def _link(context: Any) -> str:
    base_url = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    if not base_url:
        return ""
    if not conf.getboolean("vidai", "ui", fallback=True):
        return str(getattr(context["ti"], "log_url", ""))
    return f"{base_url}/{task_key_of(context).page()}"


def _xcom(context: Any, key: str) -> Any:
    """Return an XCom of the task; None where there is none, or where callbacks cannot read any."""
    instance, key_of_task = context["ti"], task_key_of(context)
    try:
        return instance.xcom_pull(task_ids=key_of_task.task_id, key=key, map_indexes=key_of_task.map_index)
    except Exception:  # noqa: BLE001 - a message without a price is better than none
        return None
