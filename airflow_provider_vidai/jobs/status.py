"""How a job stands, by one answer of its vendor."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef


class JobState(str, Enum):
    """Where a job stands, whatever the vendor's own word for it."""

    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


class JobStatus(BaseModel):
    """One answer to "how is it?".

    :param vendor_status: the vendor's own word.
    :param known: False when the word is not in the vendor's documented list; the job is then
        waited for, because it is paid for.
    :param progress: 0 to 1, or None when the vendor does not tell.
    :param error: the vendor's words about a failure.
    :param charged: what is known about the charge for a FAILED or GONE job.
    :param blame: whose fault a failure is. Only "vendor" lets a retry buy again.
    :param expected: the seconds that such a job takes, by what the vendor tells of it.
    :param ready_after: RUNNING counts as READY once this many seconds have passed since the
        purchase: the answer shows a finished result, but perhaps an earlier job's.
    :param believed_after: how often in a row answers of this kind must come before this one counts;
        until then the job is taken to be running, because it is paid for.
    :param believed_for: for how many seconds they must go on, too. Above 0 the answer is not in the
        vendor's own words: a gateway in trouble answers like that for a while.
    :param proven: False when this answer would look the same had the purchase never arrived.
    :param ref_params: what to add to the ref, learnt from this answer.
    :param answer: the vendor's whole answer as its own record; never serialised or shown.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    state: JobState
    vendor_status: str
    known: bool = True
    progress: float | None = Field(default=None, ge=0, le=1)
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
    ref_params: dict[str, JsonValue] = Field(default_factory=dict)
    answer: Any = Field(default=None, exclude=True, repr=False)

    def of(self, ref: JobRef) -> JobRef:
        """Return ``ref`` with what this answer taught about it."""
        return ref.with_params(**self.ref_params) if self.ref_params else ref

    @property
    def status(self) -> str:
        """The vendor's own word, by the name that the vendors' clients have for it."""
        return self.vendor_status

    def is_completed(self) -> bool:
        """Whether it is READY; the vendors' clients call it so, and the next two."""
        return self.state is JobState.READY

    def is_failed(self) -> bool:
        """Whether it is FAILED."""
        return self.state is JobState.FAILED

    def is_processing(self) -> bool:
        """Whether it is RUNNING."""
        return self.state is JobState.RUNNING

    @property
    def repeats_needed(self) -> int:
        """How often in a row it must be heard: a paid job is not given up for one "it isn't there"."""
        return max(self.believed_after, 2 if self.state is JobState.GONE else 1)
