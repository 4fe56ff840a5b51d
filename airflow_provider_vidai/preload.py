"""Imports what the package's tasks need, so that processes which are forked for tasks find it imported.

Import it in ``airflow_local_settings.py``, which Airflow's components import when they start::

    import airflow_provider_vidai.preload

Each task runs in a process of its own, forked from its worker. Without this, each of them imports the
operators, and the client of the storage that keeps the ledger. Nothing is opened or connected here, because
a connection must not be shared by forked processes. A failure is logged and stops nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any, Final

__all__ = ["preload"]

log = logging.getLogger(__name__)

MODULES: Final = (
    *(f"airflow_provider_vidai.operators.{vendor}" for vendor in ("vidio", "venice", "vizard", "vidgo")),
    "airflow_provider_vidai.triggers.job",
)
#: By the scheme of ``[vidai] ledger_path``: what Airflow imports when it opens such a storage.
STORAGES: Final = {
    "s3": ("airflow.providers.amazon.aws.fs.s3", "s3fs", "upath.implementations.cloud"),
    "gs": ("airflow.providers.google.cloud.fs.gcs", "gcsfs", "upath.implementations.cloud"),
    "abfs": ("airflow.providers.microsoft.azure.fs.adls", "adlfs", "upath.implementations.cloud"),
}


def preload() -> None:
    """Import the operators, the rooms that watch their purchases, and the modules of the ledger's storage."""
    from airflow_provider_vidai._compat import conf

    scheme = str(conf.get("vidai", "ledger_path", fallback="")).strip().partition("://")[0]
    for module in (*MODULES, *STORAGES.get(scheme, ())):
        _imported(module)
    rooms = _imported("airflow_provider_vidai.rooms")
    for module in (*rooms.WATCHERS, *rooms.COUNTERS) if rooms else ():
        if rooms.is_here(module):
            _imported(module)


def _imported(module: str) -> Any:
    """Import and return a module; None where that fails."""
    try:
        return importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - tasks import it themselves, and then report what is wrong
        log.warning("%s could not be imported in advance: %s", module, error)
        return None


preload()
