"""Builds wheel and sdist, and checks what users would get: ``python -m tools.package``.

It checks contents, metadata, and the links on an index page. Then it installs the wheel into an empty
environment with only the wheel's dependencies, where Airflow must list the provider and every module that the
provider names must import. It needs a package index and no other network.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from email.message import Message
from pathlib import Path

from airflow_provider_vidai import __version__
from airflow_provider_vidai.provider_info import get_provider_info

PROJECT = Path(__file__).resolve().parent.parent
DIST = PROJECT / "dist"
BUILD = PROJECT / "build"
INSTALLED = BUILD / "installed"
SBOM = BUILD / "sbom.cdx.json"
PACKAGE = "airflow_provider_vidai"
NAME = "airflow-provider-vidai"
#: What the sdist must contain besides the package, so that it can be built, tested and read.
IN_SDIST = (
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "pyproject.toml",
    "hatch_build.py",
    "docs/index.md",
    "tests/",
    "dags/",
)
#: Where a release's links lead. A build that does not know its repository is checked with a made-up one.
REPOSITORY = os.environ.get("VIDAI_REPOSITORY_URL") or "https://example.com/one/project"
REF = os.environ.get("VIDAI_REPOSITORY_REF") or "HEAD"
DOCUMENTATION = f"{REPOSITORY}/blob/{REF}/docs/index.md"
_RELATIVE = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")


class PackageError(RuntimeError):
    """The build is not what users should get."""


def main() -> int:
    """Build and check, or do what the option asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.package", description=__doc__)
    parser.add_argument("--sbom", action="store_true", help="write the bill of materials of an installation")
    parser.add_argument("--audit", action="store_true", help="look up vulnerabilities of an installation")
    options = parser.parse_args()
    try:
        if options.sbom:
            _sbom()
        elif options.audit:
            _audit()
        else:
            check()
    except (PackageError, subprocess.CalledProcessError) as error:
        print(f"package-check: {error}", file=sys.stderr)
        return 1
    return 0


def check() -> None:
    """Build wheel and sdist and check both."""
    wheel, sdist = _built(DIST)
    _check_wheel(wheel)
    _check_sdist(sdist)
    _check_metadata(_metadata(wheel))
    linked = _linked(wheel)
    _check_links(_metadata(linked))
    _run(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    print("built, complete, and ready for an index:", wheel.name, sdist.name)
    _install(linked)
    _check_installed()
    print(f"installed in an empty environment: Airflow lists {NAME} {__version__}, and every module imports")


def _built(folder: Path, **environment: str) -> tuple[Path, Path]:
    shutil.rmtree(folder, ignore_errors=True)
    command = (sys.executable, "-m", "build", "--outdir", str(folder), str(PROJECT))
    _run(*command, environment={**os.environ, **environment})
    (wheel,), (sdist,) = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    return wheel, sdist


def _check_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    folder = PROJECT / PACKAGE
    own = {f"{PACKAGE}/{path.relative_to(folder).as_posix()}" for path in _sources(folder)}
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    _same("The wheel", names - about, own)
    for wanted in ("entry_points.txt", "licenses/LICENSE"):
        if not any(name.endswith(f".dist-info/{wanted}") for name in about):
            raise PackageError(f"The wheel has no {wanted}.")


def _sources(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _same(what: str, found: set[str], wanted: set[str]) -> None:
    if found != wanted:
        raise PackageError(
            f"{what} lacks {sorted(wanted - found)} and should not have {sorted(found - wanted)}."
        )


def _check_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    missing = [wanted for wanted in IN_SDIST if not any(name.startswith(wanted) for name in names)]
    if missing:
        raise PackageError(f"The sdist lacks {missing}.")
    stray = [name for name in names if re.search(r"(^|/)(\.venv|\.airflow|build|dist|__pycache__)", name)]
    if stray:
        raise PackageError(f"The sdist should not have {stray[:5]}.")


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def _check_metadata(metadata: Message) -> None:
    if (metadata["Name"], metadata["Version"]) != (NAME, __version__):
        raise PackageError(f"The metadata names {metadata['Name']} {metadata['Version']}.")
    if relative := _RELATIVE.findall(_description(metadata)):
        raise PackageError(f"On an index page, these links of the README lead nowhere: {relative}")


def _description(metadata: Message) -> str:
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def _linked(wheel: Path) -> Path:
    """Return a wheel like a release's, where the repository is known: ``wheel`` itself if it is one."""
    if os.environ.get("VIDAI_REPOSITORY_URL"):
        return wheel
    linked, _ = _built(BUILD / "linked", VIDAI_REPOSITORY_URL=REPOSITORY, VIDAI_REPOSITORY_REF=REF)
    return linked


def _check_links(metadata: Message) -> None:
    """Check where the project's URLs and the README's links lead."""
    if f"Documentation, {DOCUMENTATION}" not in metadata.get_all("Project-URL", []):
        raise PackageError("The metadata has no URL 'Documentation', which Airflow shows for a provider.")
    text = _description(metadata)
    written = (PROJECT / "README.md").read_text(encoding="utf-8")
    for target in _RELATIVE.findall(written):
        if not any(f"{REPOSITORY}/{kind}/{REF}/{target})" in text for kind in ("blob", "raw")):
            raise PackageError(f"A release's README has no link to {target}.")


def _install(wheel: Path) -> None:
    shutil.rmtree(INSTALLED, ignore_errors=True)
    _run("uv", "venv", "--quiet", "--python", sys.executable, str(INSTALLED))
    _run("uv", "pip", "install", "--quiet", "--python", str(_python()), str(wheel))


def _python() -> Path:
    return INSTALLED / "bin" / "python"


def _check_installed() -> None:
    modules = [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for entry in get_provider_info()[kind]
        for module in entry["python-modules"]
    ]
    with tempfile.TemporaryDirectory() as home:
        # The modules must come from the installation, and not from this checkout.
        environment = {
            **{
                name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
            },
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
        airflow = str(INSTALLED / "bin" / "airflow")
        listed = _run(airflow, "providers", "list", "--output", "json", environment=environment, folder=home)
        # Airflow may print warnings before the list.
        found = {one["package_name"]: one for one in json.loads(listed[listed.index("[{") :])}
        if found.get(NAME, {}).get("version") != __version__:
            raise PackageError(f"Airflow does not list {NAME} {__version__}: {sorted(found)}")
        code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
        _run(str(_python()), "-c", code, *modules, environment=environment, folder=home)
        code = (
            "from airflow.providers_manager import ProvidersManager as Manager; import sys; "
            "print(Manager().providers[sys.argv[1]].data['documentation-url'])"
        )
        shown = _run(str(_python()), "-c", code, NAME, environment=environment, folder=home).strip()
        if shown != DOCUMENTATION:
            raise PackageError(f"Airflow's page of providers links to {shown} as the documentation.")


def _sbom() -> None:
    if not INSTALLED.exists():
        check()
    # The tool belongs to this environment, not to the installation that it examines.
    _run(sys.executable, "-m", "cyclonedx_py", "environment", str(_python()), "--of", "JSON", "-o", str(SBOM))
    print(SBOM.relative_to(PROJECT))


def _audit() -> None:
    if not INSTALLED.exists():
        check()
    frozen = _run("uv", "pip", "freeze", "--python", str(_python()))
    pins = BUILD / "installed.txt"
    # The package itself is left out: before its release, no index knows it.
    pins.write_text("".join(f"{line}\n" for line in frozen.splitlines() if "==" in line and NAME not in line))
    print(_run(sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "-r", str(pins)))


def _run(*command: str, environment: dict[str, str] | None = None, folder: str | None = None) -> str:
    """Run a command and return what it printed; show all of it if it fails."""
    beside = Path(sys.executable).parent / command[0]  # the tool of this environment, if it has one
    first = str(beside) if beside.exists() else command[0]
    done = subprocess.run(
        [first, *command[1:]], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
        raise PackageError(f"{' '.join(command[:4])} failed.")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
