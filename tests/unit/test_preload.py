"""``airflow_provider_vidai.preload``: what tasks need is imported when Airflow starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PRINTED = "import sys, airflow; print(*(name in sys.modules for name in {names!r}))"


@pytest.mark.parametrize(
    ("ledger_path", "storage"), [("s3://aws_default@bucket/ledger", True), ("/var/ledger", False)]
)
def test_an_airflow_that_preloads_has_imported_the_operators_and_the_ledgers_storage(
    tmp_path: Path, ledger_path: str, storage: bool
) -> None:
    if storage:
        pytest.importorskip("s3fs")
    (tmp_path / "config").mkdir()
    settings = tmp_path / "config" / "airflow_local_settings.py"
    settings.write_text("import airflow_provider_vidai.preload\n")
    names = (
        "airflow_provider_vidai.operators.venice",
        "airflow_provider_vidai.triggers.job",
        "airflow_provider_vidai.spend.watch",
        "airflow_provider_vidai.metrics.signals",
        "s3fs",
    )
    done = subprocess.run(
        [sys.executable, "-c", PRINTED.format(names=names)],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__VIDAI__LEDGER_PATH": ledger_path,
        },
    )
    assert done.stdout.split()[-5:] == [*["True"] * 4, str(storage)], done.stderr
