"""What a person sees of a job that is waited for, as a function of its answers and of the time."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.poll import Finished, Wait
from airflow_provider_vidai.purchase.progress import Progress, Report, log_progress, span
from airflow_provider_vidai.purchase.timing import REPORT_SECONDS
from airflow_provider_vidai.vendors import VENDORS

BOUGHT = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc).timestamp()
KINDS: dict[VendorName, tuple[str, ...]] = {
    "vidio": ("reel", "render"),
    "venice": ("generate",),
    "vizard": ("project", "edit"),
    "vidgo": ("media", "music"),
}
JOBS = [(vendor, kind) for vendor, kinds in KINDS.items() for kind in kinds]


def running(word: str = "processing", **more: Any) -> JobStatus:
    return JobStatus(state=JobState.RUNNING, vendor_status=word, **more)


class Watched:
    """One job that is waited for, with what was shown of it."""

    def __init__(
        self, vendor: VendorName = "vizard", kind: str = "project", *, since: float | None = BOUGHT
    ) -> None:
        self.shown: list[Progress] = []
        self.ref = JobRef(vendor=vendor, conn_id="c", job_id="17861706", kind=kind)
        self.report = Report(
            VENDORS[vendor],
            self.ref,
            since=since,
            deadline=BOUGHT + 7200,
            now=BOUGHT,
            show=self.shown.append,
        )

    def answered(self, after: float, status: JobStatus, pause: float = 20.0) -> None:
        self.report.answered(status, Wait(pause), BOUGHT + after)

    def at(self, after: float, status: JobStatus | None = None) -> Progress:
        """Return what a person sees some seconds after the purchase."""
        if status is not None:
            self.answered(after, status)
        self.report.show(BOUGHT + after)
        return self.shown[-1]


# --- words and shares


def test_vizards_code_is_explained():
    body = b'{"code": 1000, "projectId": 17861706}'
    job = Watched()
    status = VENDORS["vizard"].status(job.ref).parse(Answer(200, {"content-type": "application/json"}, body))
    found = job.at(360, status)
    assert found.line() == (
        "Vizard is making the clips, about 60 % of the usual 10 min (an estimate); waiting for 6 min, next "
        "status check in 20 s."
    )
    assert found.value()["words"] == "Vizard is making the clips, about 60 % of the usual 10 min"
    assert "1000" not in found.line()


@pytest.mark.parametrize(("vendor", "kind"), JOBS)
def test_every_job_has_a_text_and_a_share_at_any_time(vendor: VendorName, kind: str):
    for seconds in (0, 20, 100, 1_000, 7_000):
        found = Watched(vendor, kind).at(seconds, running("running"))
        assert re.match(r"[A-Z][a-z]|the job |VIDIO ", found.text), found.text
        assert found.share is not None
        assert found.estimate
        assert 0 <= found.share < 1
        assert "100" not in found.text


def test_an_estimate_stops_short_of_the_end_and_says_so():
    found = Watched().at(3_700, running("1000 processing"))
    assert found.share == 0.95
    assert "longer than the usual 10 min (an estimate); waiting for 1 h 1 min" in found.line()
    assert found.line().endswith("This try waits until 14:00:00 UTC at most.")


def test_a_reported_percentage_is_no_estimate():
    found = Watched("vidgo", "media").at(50, running("running", progress=0.45))
    assert (found.share, found.estimate) == (0.45, False)
    assert found.text == "Vidgo is making the picture or video, 45 % done"
    assert "estimate" not in found.line()


def test_venices_own_figure_is_an_estimate_and_replaces_ours():
    body = b'{"status": "PROCESSING", "average_execution_time": 400000, "execution_duration": 400000}'
    job = Watched("venice", "generate")
    job.ref = job.ref.with_params(model="m")
    status = VENDORS["venice"].status(job.ref).parse(Answer(200, {"content-type": "application/json"}, body))
    found = job.at(150, status)
    assert (found.share, found.estimate, found.expected) == (0.5, True, 300)
    assert "about 50 % of the usual 5 min" in found.text


def test_nothing_is_estimated_for_a_job_whose_purchase_is_unknown():
    found = Watched(since=None).at(100, running())
    assert (found.share, found.estimate) == (None, False)
    assert found.line().startswith("Vizard is making the clips; waiting for 1 min 40 s, next status check")


def test_before_the_first_answer_it_says_so():
    job = Watched()
    job.report.planned(Wait(300.0), BOUGHT)
    found = job.at(25)
    assert found.line().startswith("the job was bought, and its first status check follows, about 4 %")
    assert found.value()["vendor_status"] is None
    assert found.value()["next_check"] == "2026-11-28T12:05:00+00:00"


def test_a_finished_job_is_whole_and_no_estimate():
    job = Watched()
    ready = JobStatus(state=JobState.READY, vendor_status="2000 done")
    job.report.answered(ready, Finished(ready), BOUGHT + 300)
    found = job.shown[-1]
    assert found.line() == "Vizard has finished; waiting for 5 min."
    assert (job.report.checks, job.report.ended_at) == (1, BOUGHT + 300)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (JobState.GONE, "Vizard answers that there is no such job; this is checked again before it counts"),
        (JobState.FAILED, "Vizard reports that the job failed; this is checked again before it counts"),
    ],
)
def test_an_end_that_is_not_believed_yet_is_shown_as_that(state: JobState, text: str):
    assert Watched().at(100, JobStatus(state=state, vendor_status="404")).text == text


def test_a_failed_check_is_shown_beside_the_last_status():
    job = Watched()
    job.answered(100, running())
    job.report.failed(Wait(5.0), BOUGHT + 105)
    assert job.shown[-1].text.startswith(
        "Vizard is making the clips; the last status check failed, about 18 %"
    )
    job.answered(110, running())
    assert "failed" not in job.shown[-1].text
    assert job.report.checks == 3


def test_an_undocumented_word_is_shown_and_warned_of_once():
    class Lines:
        def __init__(self) -> None:
            self.said: list[str] = []

        def info(self, msg: str, /, *args: Any) -> None:
            self.said.append(msg % args)

        warning = error = info

    job, log = Watched("vidio", "reel"), Lines()
    for seconds in (100, 200, 300):
        job.answered(seconds, running("thinking_deeply", known=False))
    for progress in job.shown:
        log_progress(log, job.ref, progress, "VIDIO")
    assert "VIDIO reports 'thinking_deeply', which it does not document" in log.said[0]
    assert sum("is not a status that VIDIO documents" in line for line in log.said) == 1


# --- when it is shown


def test_an_answer_is_shown_when_its_text_changed_or_after_a_while():
    job = Watched("vidio", "reel")
    for seconds, word in [
        (8, "queued"),
        (16, "queued"),
        (20, "processing"),
        (40, "processing"),
        (46, "processing"),
    ]:
        job.answered(seconds, running(word))
    assert [found.at - BOUGHT for found in job.shown] == [8, 20, 46]


def test_nobody_waits_for_a_line_longer_than_half_a_minute():
    assert REPORT_SECONDS <= 25
    job = Watched()
    assert job.report.silence(BOUGHT + 10) == 15
    job.answered(20, running())
    assert job.report.silence(BOUGHT + 20) == REPORT_SECONDS


# --- the XCom


def test_the_xcom_has_these_fields():
    found = Watched().at(300, running("1000 processing"))
    assert found.value() == {
        "vendor_status": "1000 processing",
        "progress": 0.5,
        "words": "Vizard is making the clips, about 50 % of the usual 10 min",
        "estimate": True,
        "at": "2026-11-28T12:05:00+00:00",
        "elapsed": 300.0,
        "expected": 600.0,
        "deadline": "2026-11-28T14:00:00+00:00",
        "next_check": "2026-11-28T12:05:20+00:00",
        "checks": 1,
    }


def test_a_clock_that_was_set_back_makes_no_negative_times():
    job = Watched()
    job.answered(-50, running())
    assert job.shown[-1].value()["elapsed"] == 0.0
    assert job.shown[-1].share == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3720, "1 h 2 min"),
        (7199, "1 h 59 min"),
    ],
)
def test_time_spans_read_as_people_write_them(seconds: float, text: str):
    assert span(seconds) == text


def test_an_error_keeps_the_status_that_was_seen():
    job = Watched()
    job.answered(100, running())
    job.report.failed(Wait(5.0), BOUGHT + 200)
    assert job.shown[-1].vendor_status == "processing"
