"""Runs what ``deploy/Dockerfile`` installs in an empty environment, as the image's build does.

``python -m tools.image`` needs a package index and no Docker. What the official image has is not there, so
this shows more than a build would: that the package, its extras and the constraints need nothing else.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DOCKERFILE = PROJECT / "deploy" / "Dockerfile"
INSTALLED = PROJECT / "build" / "image"
#: Where the Dockerfile copies the project to.
COPIED = "/opt/vidai"
#: What the image is for: Airflow on Celery, with files in S3.
IMPORTS = (
    "airflow_provider_vidai.operators.vidio",
    "airflow.providers.celery.executors.celery_executor",
    "airflow.providers.amazon.aws.fs.s3",
)


def commands() -> list[list[str]]:
    """Return the ``pip`` commands of the Dockerfile, with its arguments filled in."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", text, re.MULTILINE))
    arguments["AIRFLOW_VERSION"] = arguments["AIRFLOW"]  # the official image sets it
    lines = re.findall(r"^RUN (pip .+)$", text, re.MULTILINE)
    filled = (re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], line) for line in lines)
    return [[word.replace(COPIED, str(PROJECT)) for word in shlex.split(line)] for line in filled]


def main() -> int:
    """Install, and import what the image is for; return the exit code."""
    shutil.rmtree(INSTALLED, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(INSTALLED)], check=True)
    python = str(INSTALLED / "bin" / "python")
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**kept, "AIRFLOW_HOME": str(INSTALLED / "airflow")}
    for command in commands():
        subprocess.run([python, "-m", *command, "--quiet"], check=True, env=environment)
    subprocess.run([python, "-m", "pip", "check"], check=True, env=environment)
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    subprocess.run([python, "-c", code, *IMPORTS], check=True, env=environment)
    print(f"what {DOCKERFILE.relative_to(PROJECT)} installs works together")
    return 0


if __name__ == "__main__":
    sys.exit(main())
