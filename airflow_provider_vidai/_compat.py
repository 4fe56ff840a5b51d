"""Where the installed Airflow keeps what this package needs: the only module that knows.

``airflow.sdk`` is Airflow's public interface and is imported directly where it is needed. What is not in it
has moved between Airflow 3.1 and 3.4, so it is imported here, and from here everywhere else. The provider
common-compat does the same, but only from version 1.12 on; Airflow 3.1 and 3.2 often come with older ones.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

try:  # Airflow 3.2
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[attr-defined,no-redef]
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )

try:  # Airflow 3.2
    from airflow.sdk.configuration import conf
except ImportError:
    from airflow.configuration import conf

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseTrigger",
    "TaskDeferred",
    "TriggerEvent",
    "conf",
    "timer",
    "xcom",
]


def timer(moment: datetime) -> BaseTrigger:
    """Return a trigger that fires at ``moment``."""
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    return DateTimeTrigger(moment=moment)


def xcom() -> Any:
    """Return the class that reads and writes XComs; from Airflow 3.3 on it can do so in a triggerer."""
    from airflow.sdk.execution_time.xcom import XCom

    return XCom
