"""The only module that knows in which Airflow version a name is imported from where.

``airflow.sdk`` is Airflow's public interface, and modules import it directly. Names outside of it moved
between Airflow 3.1 and 3.4; they are imported here, and every other module imports them from here. The
provider common-compat offers the same, but only from its version 1.12 on, and Airflow 3.1 and 3.2 often come
with an older one.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

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
AIRFLOW_VERSION = str(airflow.__version__)

__all__ = [
    "AIRFLOW",
    "AIRFLOW_VERSION",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowPlugin",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseEventTrigger",
    "BaseTrigger",
    "Component",
    "DecoratedOperator",
    "StartTriggerArgs",
    "TaskDecorator",
    "TaskDeferralTimeout",
    "TaskDeferred",
    "TaskInstanceKey",
    "TaskSuccessEvent",
    "TriggerEvent",
    "cli_classes",
    "components",
    "conf",
    "connections_in_database",
    "dag_bags",
    "database",
    "determine_kwargs",
    "in_server",
    "optional",
    "params_of",
    "redact",
    "state_store",
    "statistics",
    "task_decorator_factory",
    "template_values",
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


class Component(NamedTuple):
    """A running part of Airflow, as its database knows it.

    :param kind: such as ``TriggererJob``.
    """

    kind: str
    host: str
    alive: bool


def in_server() -> None:
    """Let this process find connections in Airflow's database, as ``airflow connections`` does.

    Without it, a command finds only those of the environment and of a secrets backend.
    """
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def components() -> list[Component]:
    """Return the parts of Airflow that are on record as running.

    :raises Exception: where the database can't be reached.
    """
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(Job).filter(Job.state == "running")
        return [Component(str(row.job_type), str(row.hostname), bool(row.is_alive())) for row in rows]


def connections_in_database(kinds: Collection[str]) -> list[tuple[str, str]]:
    """Return the ids and the types of the connections of these types that Airflow's database holds.

    :raises Exception: where the database can't be reached.
    """
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        # Only these two columns, because loading a whole connection decrypts its password. That would fail if
        # the Fernet key is lost.
        rows = session.query(Connection.conn_id, Connection.conn_type)
        rows = rows.filter(Connection.conn_type.in_([*kinds]))
        return [(str(conn_id), str(kind)) for conn_id, kind in rows]


def dag_bags() -> Iterator[tuple[Mapping[str, Any], Mapping[str, str]]]:
    """Parse the DAG files of each bundle; yield its DAGs by id, and the errors by file.

    :raises Exception: where a bundle or the database can't be reached.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:  # from Airflow 3.2 on
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    manager: Any = DagBundlesManager
    for bundle in manager().get_all_dag_bundles():
        bundle.initialize()
        if str(bundle.path) not in sys.path:  # a DAG file may import its neighbours
            sys.path.append(str(bundle.path))
        found = DagBag(dag_folder=bundle.path, bundle_path=bundle.path)
        yield found.dags, found.import_errors


def optional(name: str) -> Any:
    """Return a module of a package that Airflow or its user may have installed; None without it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def params_of(dag: Any, task: Any, conf: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the params of a task in a run with ``conf``, as a worker would.

    :raises Exception: when a param has no value, or one that its schema refuses.
    """
    from airflow.sdk.definitions.param import process_params

    return dict(process_params(dag, task, dict(conf or {}), suppress_exception=False))


def statistics() -> Any:
    """Return what counts (``incr``) and measures (``timing``) for Airflow's ``[metrics]``."""
    try:  # from Airflow 3.2 on
        from airflow.sdk.observability import stats
    except ImportError:
        from airflow.stats import Stats  # type: ignore[import-not-found,unused-ignore]

        return Stats
    # Its functions came later than its class.
    return stats if hasattr(stats, "incr") else stats.Stats


def template_values() -> dict[str, Any]:
    """Return what templates can use in any run: macros, variables and connections."""
    from airflow.sdk.execution_time.context import ConnectionAccessor, MacrosAccessor, VariableAccessor

    variables = {"json": VariableAccessor(deserialize_json=True), "value": VariableAccessor(False)}
    return {"macros": MacrosAccessor(), "var": variables, "conn": ConnectionAccessor()}


def timer(moment: datetime) -> BaseTrigger:
    """Return a trigger that fires at ``moment``."""
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    return DateTimeTrigger(moment=moment)


def until_ended(dag_id: str, run_id: str, task_id: str, interval: float) -> BaseTrigger:
    """Return a trigger that fires when a task of a run has ended, however it ended.

    :param interval: seconds between two checks of that task.
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
