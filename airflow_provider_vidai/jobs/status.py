"""The status of a job, as one answer of its vendor reports it."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef


class JobState(str, Enum):
    """The state of a job, whatever word the vendor has for it."""

    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


class JobStatus(BaseModel):
    """One answer to a status check.

    :param vendor_status: the vendor's own word.
    :param known: False when that word is not in the vendor's documented list. The job then counts as running,
        because it is paid for.
    :param progress: 0 to 1, or None when the vendor does not report it.
    :param estimated: whether ``progress`` is only computed from how long such jobs usually take.
    :param error: the vendor's message about a failure.
    :param charged: what is known about the charge for a FAILED or GONE job.
    :param blame: whose fault a failure is. "input" and "policy" let no retry buy again: the same input
        would meet the same refusal.
    :param expected: how many seconds the job takes in all, as far as the vendor reports it.
    :param ready_after: RUNNING counts as READY once this many seconds have passed since the purchase: the
        answer shows a finished result, but it may be that of an earlier job.
    :param believed_after: how many answers of this kind in a row it takes until this one counts. Until then
        the job counts as running, because it is paid for.
    :param believed_for: for how many seconds these answers must also go on. It is above 0 when the answer
        may come from a gateway in front of the vendor, which answers like this while it is in trouble.
    :param proven: False when the answer would be the same if the purchase had never arrived.
    :param checks_left: how many more status checks the vendor allows the account now, counting those of all
        programs, where it says so. It is never serialised.
    :param ref_params: what this answer adds to the job's reference.
    :param answer: the vendor's whole answer as its own record. It is never serialised or shown.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    state: JobState
    vendor_status: str
    known: bool = True
    progress: float | None = Field(default=None, ge=0, le=1)
    estimated: bool = False
    outputs: tuple[Output, ...] = ()
    error: str | None = None
    charged: Charged = "maybe"
    blame: Literal["input", "policy", "vendor", "unknown"] = "unknown"
    cost: dict[str, JsonValue] | None = None
    expected: float | None = None
    ready_after: float | None = None
    believed_after: int = 1
    believed_for: float = 0.0
    proven: bool = True
    checks_left: int | None = Field(default=None, exclude=True)
    ref_params: dict[str, JsonValue] = Field(default_factory=dict)
    answer: Any = Field(default=None, exclude=True, repr=False)

    def of(self, ref: JobRef) -> JobRef:
        """Return ``ref`` with what this answer adds to it."""
        return ref.with_params(**self.ref_params) if self.ref_params else ref

    @property
    def status(self) -> str:
        """The vendor's own word, under the name that the vendors' own clients use."""
        return self.vendor_status

    def is_completed(self) -> bool:
        """Whether the job is READY. The name, like the next two, is that of the vendors' own clients."""
        return self.state is JobState.READY

    def is_failed(self) -> bool:
        """Whether the job is FAILED."""
        return self.state is JobState.FAILED

    def is_processing(self) -> bool:
        """Whether the job is RUNNING."""
        return self.state is JobState.RUNNING

    @property
    def repeats_needed(self) -> int:
        """How many equal answers in a row it takes: a paid job is not given up for a single "not found"."""
        return max(self.believed_after, 2 if self.state is JobState.GONE else 1)
