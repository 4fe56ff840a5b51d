"""What importing the operators costs a DAG file, compared with Airflow's own SDK.

``python -m benchmarks.imports`` runs each import in fresh processes, in turn, and prints medians of CPU time.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile

SDK = "from airflow.sdk import DAG, BaseOperator, BaseSensorOperator"
#: Each is imported after the SDK, as a DAG file does.
MODULES = {
    "airflow.sdk alone": "",
    "airflow_provider_vidai.operators.vidio": "airflow_provider_vidai",
    "airflow.providers.http.operators.http": "airflow.providers.http",
    "airflow.providers.dbt.cloud.operators.dbt": "airflow.providers.dbt.cloud",
}


def seconds(statements: str, home: str) -> float:
    """Return the CPU seconds that ``statements`` take in a fresh process."""
    code = f"import time\nbegan = time.process_time()\n{statements}\nprint(time.process_time() - began)"
    environment = {**os.environ, "AIRFLOW_HOME": home}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout.strip().splitlines()[-1])


def installed(package: str) -> bool:
    """Return whether ``package`` can be imported. The other providers may be missing."""
    try:
        return not package or importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def main() -> None:
    """Measure in turn, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=9, help="processes of each, in turn")
    options = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name, package in MODULES.items() if installed(package)}
    with tempfile.TemporaryDirectory() as home:
        for round_ in range(options.repeat + 1):
            for name, times in taken.items():
                took = seconds(f"{SDK}\nimport {name}" if MODULES[name] else SDK, home)
                # The first round is not counted: it writes Airflow's configuration and fills the disk cache.
                if round_:
                    times.append(took)
    base = statistics.median(taken["airflow.sdk alone"])
    print("| imported | CPU s | relative to the SDK alone |\n|--|--|--|")
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"| {name} | {middle:.2f} | {middle / base:.3f}x |")


if __name__ == "__main__":
    main()
