"""The reference by which a job is found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.jobs.title import short_title
from airflow_provider_vidai.redaction import shown

VendorName = Literal["vidio", "venice", "vizard", "vidgo"]


class JobRef(BaseModel):
    """The reference by which a job is found again.

    It is JSON without any secret, so it may travel through XCom and trigger arguments.

    :param vendor: one of the four APIs.
    :param conn_id: the Airflow connection with which the job was bought.
    :param job_id: the vendor's id, as text.
    :param kind: what was bought, in the vendor's terms (VIDIO ``reel`` or ``render``, ...).
    :param params: what the status call needs besides.
    :param title: a few words for people, by which the job's files are named. It is fixed at the purchase, so
        that a retry lands the same files under the same names.
    """

    # Other fields are ignored, because a whole task result is accepted as a reference.
    model_config = ConfigDict(
        frozen=True, extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=True
    )

    vendor: VendorName
    conn_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)
    kind: str = Field(min_length=1)
    params: dict[str, JsonValue] = Field(default_factory=dict)
    # It may come from the user's own dict, and an odd title is no reason to refuse a job.
    title: Annotated[str | None, BeforeValidator(short_title)] = None

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = serialize(self)
        if found.get("title", "") is None:
            del found["title"]
        return found

    @classmethod
    def read(
        cls,
        value: Any,
        *,
        vendor: VendorName,
        conn_id: str,
        kind: str,
        params: Mapping[str, JsonValue] | None = None,
    ) -> JobRef:
        """Return the job that an operator's ``job`` argument names.

        :param value: what an upstream task returned, that as JSON or as a Python literal, or a bare id.
        :param conn_id: used with a bare id only, like ``kind`` and ``params``; a reference has its own.
        :raises InputError: when it names no job, or a job of another vendor.
        """
        value = literal(value)
        if isinstance(value, JobRef):
            ref = value
        elif isinstance(value, Mapping):
            ref = validated(cls, value, what="job")
        elif (job_id := bare_id(value)) is not None:
            ref = cls(vendor=vendor, conn_id=conn_id, job_id=job_id, kind=kind, params=dict(params or {}))
        else:
            raise InputError(
                f"job: expected what an upstream task returned, or a job id, but got {shown(value)}."
            )
        if ref.vendor != vendor:
            raise InputError(f"job: {ref} is a job of {ref.vendor}, not of {vendor}.")
        return ref

    def with_params(self, **params: JsonValue) -> JobRef:
        """Return a reference to the same job with ``params`` added for its status call."""
        return self.model_copy(update={"params": {**self.params, **params}})

    def __str__(self) -> str:
        return f"{self.vendor} {self.kind} {self.job_id}"


def bare_id(value: Any) -> str | None:
    """Return the id that an argument is; None where it is empty, or is no id."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return None
    text = str(value).strip()
    # A template renders a missing result as "None". Text that begins like a list or a dict is a reference
    # that could not be parsed, and is never sent as an id.
    return None if text in ("", "None", "null") or text[0] in "[{(" else text
