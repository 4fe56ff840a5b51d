"""The doctor: what it finds wrong, and what it buys and reports with ``--live``."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.cli.doctor import deployment, storage
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.spend.files import Files
from tests.integration.conftest import KEY
from tests.support.books import command

pytestmark = pytest.mark.slow

PRICES = [
    {"vendor": "vidio", "unit": "units", "usd_per_unit": 0.9},
    {"vendor": "vizard", "unit": "minutes", "usd_per_unit": 0.1},
]
#: The levels of findings by what they are about.
Levels = dict[str, str]


def diagnosis(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    """Run ``doctor --json``; return its exit code and what it found."""
    capsys.readouterr()
    try:
        text, code = command(capsys, "doctor", "--json", *arguments), 0
    except SystemExit as end:
        text, code = capsys.readouterr().out, int(str(end.code))
    return code, json.loads(text[text.index("[\n") :])


def levels(found: list[dict[str, str]]) -> Levels:
    return {row["about"]: row["level"] for row in found}


def live(capsys: pytest.CaptureFixture, tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run ``doctor --live``; return its exit code and the report, which must hold no secret."""
    report = tmp_path / "report.json"
    given = ("--report", str(report), "--to", str(tmp_path / "landed"))
    try:
        command(capsys, "doctor", "--live", *arguments, *given)
        code = 0
    except SystemExit as end:
        code = int(str(end.code))
    text = report.read_text()
    for secret in (KEY, "http://", str(tmp_path), "grey circle"):
        assert secret not in text
    return code, json.loads(text)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``[vidai] ledger_path`` names."""
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


# --- the checks ---------------------------------------------------------------------------------


def test_a_deployment_in_order_passes_and_leaves_nothing_behind(
    database: None, venice: Any, vidgo: Any, ledger: Path, capsys: pytest.CaptureFixture
) -> None:
    code, found = diagnosis(capsys, "--no-dags")
    assert code == 0, found
    assert {levels(found)[name] for name in ("connection venice_default", "connection vidgo_default")} == {
        "ok"
    }
    assert any("credits. The answer took" in row["what"] for row in found)
    assert any("It can spend" in row["what"] for row in found)
    assert [row["level"] for row in found if row["about"] in ("ledger", "clock")] == ["ok"] * 3
    assert not [*ledger.rglob("*.json")]
    assert KEY not in json.dumps(found)


def test_a_connection_that_does_not_work_fails_with_what_to_do(
    control: Control, sandbox: Any, connect: Any, capsys: pytest.CaptureFixture
) -> None:
    control.fault("vidgo", "balance", "status", status=401, times=1)
    connect("vidgo_bad", conn_type="vidgo", host=f"{sandbox.url}/vidgo", password=KEY)
    connect("vidgo_away", conn_type="vidgo", host="http://127.0.0.1:9", password=KEY)
    named = ("--connection", "vidgo_bad", "--connection", "vidgo_away", "--connection", "nobody")
    code, found = diagnosis(capsys, "--no-dags", *named)
    assert code == 1
    bad = {row["about"]: row for row in found}
    assert "Check the API key" in bad["connection vidgo_bad"]["todo"]
    assert "nobody" in bad["connection nobody"]["what"]
    assert {bad[f"connection {name}"]["level"] for name in ("vidgo_bad", "vidgo_away", "nobody")} == {"fail"}


class Loose(Files):
    """A storage that replaces a file that is there."""

    def create(self, name: str, value: Any) -> None:
        self.replace(name, value)


def test_a_storage_on_which_two_writers_both_win_is_found(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert storage.exclusive().level == "ok"
    loose = lambda: Loose(str(ledger), ("doctor",))  # noqa: E731 - each writer opens the storage itself
    found = storage.exclusive(loose)
    assert (found.level, "both of two writers" in found.what) == ("warn", True)
    monkeypatch.setenv("AIRFLOW__VIDAI__BUDGETS", '[{"name": "daily", "limit": 5}]')
    assert storage.exclusive(loose).level == "fail"


@pytest.mark.parametrize(("apart", "level"), [(0, "ok"), (60, "warn"), (-60, "warn"), (3600, "fail")])
def test_a_clock_that_differs_from_the_storages_is_found(ledger: Path, apart: float, level: str) -> None:
    assert storage.skew(lambda: time.time() + apart).level == level


def test_a_ledger_path_that_cannot_be_written_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "file" / "below"))
    code, found = diagnosis(capsys, "--no-dags")
    assert (code, found[1]["about"], found[1]["level"]) == (1, "ledger", "fail")


@pytest.mark.parametrize(
    ("settings", "about", "level"),
    [
        ({"BUDGETS": '[{"name": "daily", "limit": 5}]'}, "budgets", "fail"),
        ({"BUDGETS": '[{"name": "daily"}]'}, "budgets", "fail"),
        ({"PRICES": "/no/such/file.json"}, "prices", "fail"),
        ({"WEBHOOK_SECRET": "x" * 32}, "webhooks", "warn"),
        ({"WEBHOOK_SECRET": "short", "WEBHOOK_BASE_URL": "https://airflow.example"}, "webhooks", "fail"),
        ({"MEDIA_ROOTS": "/media", "UI": "False"}, "pages", "warn"),
        ({"MEDIA_ROOTS": "nosuch://media"}, "pages", "fail"),
    ],
)
def test_settings_that_contradict_each_other_are_found(
    settings: dict[str, str],
    about: str,
    level: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__VIDAI__{name}", value)
    code, found = diagnosis(capsys, "--no-dags")
    assert levels(found)[about] == level
    assert code == int("fail" in levels(found).values())


def test_a_ledger_on_a_local_disk_is_doubted_where_tasks_run_on_other_machines(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert levels(diagnosis(capsys, "--no-dags")[1])["workers"] == "ok"
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert levels(diagnosis(capsys, "--no-dags")[1])["workers"] == "warn"


DAG = """
from airflow.sdk import DAG
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

with DAG("pictures"):
    VidgoGenerateOperator(
        task_id="one", model="nano-banana", input={{"image_urls": ["nosuch://bucket/{{{{ ds }}}}.png"]}},
        deferrable={deferrable}, vidgo_conn_id="vidgo_of_dag",
    )
    VidgoGenerateOperator.partial(task_id="many", model="nano-banana", download_to="file:///here/").expand(
        input=[{{"prompt": "a"}}]
    )
"""


def test_what_the_dags_need_and_is_not_there_is_found(
    database: None, dags_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    (dags_folder / "pictures.py").write_text(DAG.format(deferrable=True))
    (dags_folder / "broken.py").write_text("from airflow.sdk import DAG, nothing_of_this_name")
    code, found = diagnosis(capsys)
    row = {one["about"]: one for one in found}
    assert code == 1
    assert row["connection vidgo_of_dag"]["level"] == "fail"
    assert "nosuch://" in row["storages"]["what"]
    assert row["storages"]["level"] == "fail"
    assert (row["triggerers"]["level"], row["DAG files"]["level"]) == ("fail", "warn")
    assert "broken.py" in row["DAG files"]["what"]


def test_without_deferrable_tasks_a_missing_triggerer_is_only_a_warning(
    database: None, dags_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    (dags_folder / "pictures.py").write_text(DAG.format(deferrable=False).replace("nosuch:", "file:"))
    row = levels(diagnosis(capsys)[1])
    assert (row["triggerers"], row["storages"], row["DAG files"]) == ("warn", "ok", "ok")


def test_purchases_of_another_version_are_found(ledger: Path) -> None:
    day = ledger / "book" / "2026" / "11" / "28"
    line = {"id": "a", "vendor": "vidgo", "dag_id": "d", "run_id": "r", "task_id": "t"}
    day.mkdir(parents=True)
    (day / "a.json").write_text(
        json.dumps({**line, "began_at": "2026-11-28T10:00:00.000+00:00", "package": "0.1.0"})
    )
    found = deployment.versions(lambda: datetime(2026, 11, 29, tzinfo=timezone.utc))
    assert (found.level, "0.1.0" in found.what) == ("warn", True)
    assert deployment.versions(lambda: datetime(2026, 12, 29, tzinfo=timezone.utc)).level == "ok"


# --- --live -------------------------------------------------------------------------------------


def test_a_live_check_buys_one_small_job_lands_it_and_finds_the_answers_as_they_are_known(
    control: Control,
    venice: Any,
    vidgo: Any,
    vidio: Any,
    vizard: Any,
    clip: Path,
    talks: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    wanted = {
        "venice": ("0.20",),
        "vidgo": ("0.20",),
        "vidio": ("1.80", "--source", str(clip)),
        "vizard": ("0.20", "--source", f"{talks}/short.mp4"),
    }
    for vendor, given in wanted.items():
        before = len(control.purchases())
        code, report = live(capsys, tmp_path, vendor, "--max-usd", *given)
        assert (code, report["outcome"]) == (0, "landed"), report
        assert report["landed"][0]["bytes"] > 0
        assert len(control.purchases()) - before == (2 if vendor == "vidio" else 1)
        assert [
            call for call in report["calls"] if call["unknown"] + call["missing"] + call["other_type"]
        ] == []
        assert sum(call["compared"] for call in report["calls"]) >= 3


def test_a_live_check_buys_nothing_that_costs_more_or_whose_price_is_not_known(
    control: Control,
    venice: Any,
    vidgo: Any,
    vidio: Any,
    clip: Path,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    refused = {
        ("venice", "0.01"): "Venice quotes",
        ("vidgo", "0.02"): "costs 0.03 USD, and 0.02 USD may be spent",
        ("vidgo", "0.20", "--model", "sora-2"): "is not known",
        ("vidio", "5", "--source", str(clip)): "is not known",
        ("vidio", "5"): "--source is required",
    }
    for (vendor, limit, *more), why in refused.items():
        code, report = live(capsys, tmp_path, vendor, "--max-usd", limit, *more)
        assert (code, report["charged"], report["outcome"]) == (1, "no", "nothing bought")
        assert why in report["error"]
    assert control.purchases() == []
    for arguments in (("vidgo",), ("vidgo", "--max-usd", "0")):
        with pytest.raises(SystemExit, match="needs --max-usd"):
            command(capsys, "doctor", "--live", *arguments)


def test_the_limit_of_a_live_check_is_for_all_that_it_buys(
    control: Control,
    vidio: Any,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    code, report = live(capsys, tmp_path, "vidio", "--max-usd", "1.50", "--source", str(clip))
    assert (code, report["charged"], report["outcome"]) == (1, "yes", "not landed")
    assert "0.6 USD may be spent" in report["error"]
    assert [one["kind"] for one in control.purchases()] == ["reel"]


def test_a_live_check_has_a_record_in_the_book_and_keeps_to_the_budgets(
    control: Control,
    vidgo: Any,
    ledger: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    assert live(capsys, tmp_path, "vidgo", "--max-usd", "0.20")[0] == 0
    (line,) = (json.loads(file.read_text()) for file in (ledger / "book").rglob("*.json"))
    assert (line["dag_id"], line["outcome"]) == ("vidai_doctor", "ready")
    monkeypatch.setenv("AIRFLOW__VIDAI__BUDGETS", '[{"name": "none", "limit": 0, "unit": "jobs"}]')
    code, report = live(capsys, tmp_path, "vidgo", "--max-usd", "0.20")
    assert (code, "is used up" in report["error"], len(control.purchases())) == (1, True, 1)


def test_a_lost_purchase_of_a_live_check_is_reported_as_perhaps_charged(
    control: Control, vidgo: Any, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    control.fault("vidgo", "submit", "reset", when="after")
    code, report = live(capsys, tmp_path, "vidgo", "--max-usd", "0.20")
    assert (code, report["charged"], report["outcome"]) == (1, "maybe", "not landed")
    # The record is kept beside the file, because this deployment has no ledger_path.
    assert [*(tmp_path / "landed" / "ledger" / "vidai_doctor").rglob("*.json")]
