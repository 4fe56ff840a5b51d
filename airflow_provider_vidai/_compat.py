"""The only module that knows in which Airflow version a name is imported from where.

``airflow.sdk`` is Airflow's public interface, and modules import it directly. Names outside of it moved
between Airflow 3.1 and 3.4; they are imported here, and every other module imports them from here. The
provider common-compat offers the same, but only from its version 1.12 on, and Airflow 3.1 and 3.2 often come
with an older one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import airflow
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.triggers.base import (
    BaseEventTrigger,
    BaseTrigger,
    StartTriggerArgs,
    TaskSuccessEvent,
    TriggerEvent,
)

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

try:  # from Airflow 3.2 on
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
        TaskDeferred,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[attr-defined,no-redef]
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
        TaskDeferred,
    )

try:  # from Airflow 3.2 on
    from airflow.sdk.configuration import conf
except ImportError:
    from airflow.configuration import conf

try:  # from Airflow 3.2 on
    from airflow.sdk.log import redact  # type: ignore[attr-defined]
except ImportError:
    from airflow.sdk.execution_time.secrets_masker import redact  # type: ignore[no-redef]

try:  # from Airflow 3.2 on
    from airflow.sdk.bases.decorator import determine_kwargs  # type: ignore[attr-defined,unused-ignore]
except ImportError:
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined,unused-ignore]

#: The major and the minor version.
AIRFLOW = tuple(map(int, airflow.__version__.split(".")[:2]))

__all__ = [
    "AIRFLOW",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowPlugin",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseEventTrigger",
    "BaseTrigger",
    "DecoratedOperator",
    "StartTriggerArgs",
    "TaskDecorator",
    "TaskDeferralTimeout",
    "TaskDeferred",
    "TaskInstanceKey",
    "TaskSuccessEvent",
    "TriggerEvent",
    "cli_classes",
    "conf",
    "database",
    "determine_kwargs",
    "redact",
    "state_store",
    "task_decorator_factory",
    "timer",
    "until_ended",
    "xcom",
]


def database() -> tuple[Any, Any, Any, Any]:
    """Return the tables of task instances and triggers, what opens a session, and what locks rows.

    Airflow does not offer them to plugins. Only what wakes a task in the API server uses them.

    :raises ImportError: where a version of Airflow lacks one of them.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import with_row_locks

    return TaskInstance, Trigger, create_session, with_row_locks


def timer(moment: datetime) -> BaseTrigger:
    """Return a trigger that fires at ``moment``."""
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    return DateTimeTrigger(moment=moment)


def until_ended(dag_id: str, run_id: str, task_id: str, interval: float) -> BaseTrigger:
    """Return a trigger that fires when a task of a run has ended, however it ended.

    :param interval: seconds between two looks.
    """
    from airflow.providers.standard.triggers.external_task import WorkflowTrigger

    return WorkflowTrigger(
        external_dag_id=dag_id,
        run_ids=[run_id],
        external_task_ids=[task_id],
        allowed_states=["success", "failed", "skipped", "upstream_failed", "removed"],
        poke_interval=interval,
    )


def cli_classes() -> Any:
    """Return the module with the classes of which commands are made."""
    from airflow.cli import cli_config

    return cli_config


def state_store(dag_id: str, run_id: str, task_id: str, map_index: int) -> tuple[Any, Any] | None:
    """Return Airflow's store of task states and its name of a task instance; None before Airflow 3.3.

    It works only where the metadata database can be reached, such as in a command.
    """
    try:
        from airflow._shared.state import TaskScope  # type: ignore[import-not-found,unused-ignore]
        from airflow.state import get_state_backend  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    scope = TaskScope(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
    return get_state_backend(), scope


def xcom() -> Any:
    """Return the class that reads and writes XComs; from Airflow 3.3 on it works in a triggerer too."""
    from airflow.sdk.execution_time.xcom import XCom

    return XCom
