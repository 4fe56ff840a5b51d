"""Loading DAG files as Airflow does, in all supported versions."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest


def dag_bag(path: Path) -> Any:
    """Return the DAGs of a file or folder as Airflow reads them."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    return DagBag(dag_folder=str(path))


def stored(dag: Any) -> Any:
    """Return a DAG as it comes out of Airflow's database."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # Airflow 3.1
        from airflow.serialization.serialized_objects import (  # type: ignore[attr-defined,assignment]
            SerializedDAG as Serialization,
        )
    return Serialization.from_dict(Serialization.to_dict(dag))


#: For tests that read a connection as a triggerer does, or one that does not exist.
reads_without_supervisor = pytest.mark.skipif(
    version("apache-airflow-core") == "3.1.0",
    reason="Airflow 3.1.0 asks its supervisor first. A worker and a triggerer have one, a test does not.",
)
