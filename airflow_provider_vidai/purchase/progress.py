"""What a person sees of the wait for a job: pure, with time as an argument.

A status check may be two minutes away, and a vendor may report nothing but a code. What a person sees in the
log and in the XCom ``progress`` is made here, for every way of waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic import JsonValue

from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.poll import Step, Wait
from airflow_provider_vidai.purchase.timing import DEADLINE_SHOWN_SECONDS, MAX_ESTIMATE, REPORT_SECONDS
from airflow_provider_vidai.vendors.base import Vendor

#: Shown until the first answer.
_UNSEEN = "the job was bought, and its first status check follows"


@dataclass(frozen=True)
class Progress:
    """How a job stands at one moment.

    :param vendor_status: the vendor's own word; None before the first answer.
    :param doing: what it means.
    :param share: 0 to 1; None where nothing is known.
    :param estimate: whether ``share`` is computed from ``expected``, and not reported by the vendor.
    :param at: seconds since the epoch, likewise ``since`` (the purchase, or the beginning of the waiting),
        ``deadline`` and ``next_check``.
    :param expected: seconds that such a job takes in all.
    :param checks: status checks so far.
    :param changed: whether ``doing`` is another than the last time.
    :param known: False when the vendor does not document its word.
    """

    vendor_status: str | None
    doing: str
    share: float | None
    estimate: bool
    at: float
    since: float
    expected: float | None
    deadline: float
    next_check: float | None
    checks: int
    changed: bool
    known: bool

    @property
    def elapsed(self) -> float:
        """Seconds since the purchase."""
        return max(self.at - self.since, 0.0)

    @property
    def overdue(self) -> bool:
        """Whether the job takes longer than such jobs usually do."""
        return self.estimate and self.expected is not None and self.elapsed > self.expected

    @property
    def text(self) -> str:
        """What happens and how far it is, as a part of a sentence."""
        if self.share is None or self.next_check is None:
            return self.doing
        percent = f"{self.share * 100:.0f} %"
        if not self.estimate:
            return f"{self.doing}, {percent} done"
        usual = span(self.expected or 0.0)
        if self.overdue:
            return f"{self.doing}, longer than the usual {usual}"
        return f"{self.doing}, about {percent} of the usual {usual}"

    def line(self) -> str:
        """Return the line for the log."""
        found = f"{self.text}{' (an estimate)' if self.estimate else ''}; waiting for {span(self.elapsed)}"
        if self.next_check is None:
            return f"{found}."
        found += f", next status check in {span(max(self.next_check - self.at, 0.0))}."
        if self.overdue or self.deadline - self.at <= DEADLINE_SHOWN_SECONDS:
            found += f" This try waits until {moment(self.deadline)[11:19]} UTC at most."
        return found

    def value(self) -> dict[str, JsonValue]:
        """Return the value of the XCom ``progress``."""
        return {
            "vendor_status": self.vendor_status,
            "progress": None if self.share is None else round(self.share, 3),
            "words": self.text,
            "estimate": self.estimate,
            "at": moment(self.at),
            "elapsed": round(self.elapsed, 1),
            "expected": None if self.expected is None else round(self.expected, 1),
            "deadline": moment(self.deadline),
            "next_check": None if self.next_check is None else moment(self.next_check),
            "checks": self.checks,
        }


class Report:
    """Follows the waiting for one job, and shows it when there is something to show.

    :param since: when the job was bought (seconds since the epoch); None when unknown, and then nothing is
        estimated.
    :param deadline: when the waiting ends, seconds since the epoch.
    :param now: when the waiting begins.
    :param show: called whenever a person should see how the job stands.
    """

    def __init__(
        self,
        vendor: Vendor,
        ref: JobRef,
        *,
        since: float | None,
        deadline: float,
        now: float,
        show: Callable[[Progress], None],
    ) -> None:
        self.checks = 0
        #: When the end of the job was seen, seconds since the epoch.
        self.ended_at: float | None = None
        self._vendor, self._ref = vendor, ref
        # Without the time of the purchase, an old job would seem to have just begun.
        self._bought_at, self._since, self._deadline = since, since or now, deadline
        self._show = show
        self._status: JobStatus | None = None
        self._next: float | None = None
        self._trouble = ""
        self._shown_at, self._shown = now, ""

    def planned(self, step: Step, now: float) -> None:
        """Note when the next status check is due."""
        self._next = now + step.seconds if isinstance(step, Wait) else None

    def answered(self, status: JobStatus, step: Step, now: float) -> None:
        """Note the answer to a status check, and what follows from it."""
        self.checks += 1
        self._status, self._trouble = status, ""
        self.planned(step, now)
        if self._next is None:
            self.ended_at = now
        elif status.state is not JobState.RUNNING:
            # An end that is not believed yet would alarm a person who reads it as final.
            self._trouble = "; this is checked again before it counts"
        self._show_if_due(now)

    def failed(self, step: Step, now: float) -> None:
        """Note a status check without an answer."""
        self.checks += 1
        throttled = isinstance(step, Wait) and step.throttled
        self._trouble = f"; the last status check {'met the rate limit' if throttled else 'failed'}"
        self.planned(step, now)
        self._show_if_due(now)

    def silence(self, now: float) -> float:
        """Return for how many more seconds nothing needs to be shown."""
        # At least one second, so that a caller that sleeps for the returned time cannot spin.
        return max(self._shown_at + REPORT_SECONDS - now, 1.0)

    def show(self, now: float) -> None:
        """Show how the job stands."""
        found = self._progress(now)
        self._shown_at, self._shown = now, found.doing
        self._show(found)

    def _show_if_due(self, now: float) -> None:
        if now - self._shown_at >= REPORT_SECONDS or self._doing() != self._shown:
            self.show(now)

    def _doing(self) -> str:
        seen = _UNSEEN if self._status is None else self._vendor.status_text(self._ref, self._status)
        return f"{seen}{self._trouble}"

    def _progress(self, now: float) -> Progress:
        status, doing = self._status, self._doing()
        share, estimate, expected = self._share(now)
        return Progress(
            vendor_status=None if status is None else status.vendor_status,
            doing=doing,
            share=share,
            estimate=estimate,
            at=now,
            since=self._since,
            expected=expected,
            deadline=self._deadline,
            next_check=self._next,
            checks=self.checks,
            changed=doing != self._shown,
            known=status is None or status.known,
        )

    def _share(self, now: float) -> tuple[float | None, bool, float | None]:
        """Return how much is done, whether that is an estimate, and the expected duration in seconds."""
        status, elapsed = self._status, max(now - self._since, 0.0)
        if status is not None and status.state is not JobState.RUNNING:
            # How far a failed job got says nothing useful about it.
            return (1.0 if status.state is JobState.READY else None), False, None
        if status is not None and status.progress is not None and not status.estimated:
            return status.progress, False, status.expected
        expected = self._vendor.usual_seconds(self._ref.kind)
        if status is not None and status.expected is not None:
            expected = status.expected
        if self._bought_at is None or not expected:
            return None, False, expected
        # Only the vendor knows when a job is done, so an estimate never says that it is.
        return min(elapsed / expected, MAX_ESTIMATE), True, expected


def log_progress(log: Log, ref: JobRef, progress: Progress, label: str) -> None:
    """Write how a job stands to the log.

    :param label: the vendor.
    """
    log.info("%s: %s", ref, progress.line())
    # Once per change is enough: the same word may come back with every status check for an hour.
    if progress.changed and not progress.known:
        log.warning(
            "%s: %r is not a status that %s documents. The job is paid for, so the task waits for it.",
            ref,
            progress.vendor_status,
            label,
        )


def span(seconds: float) -> str:
    """Return a time span as people write it: ``45 s``, ``3 min 20 s``, ``1 h 5 min``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def moment(seconds: float) -> str:
    """Return a moment (seconds since the epoch) as ISO 8601 text in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
