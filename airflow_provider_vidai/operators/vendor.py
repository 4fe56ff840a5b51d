"""The base of all operators of one vendor: its connection, and what was landed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.hooks.failures import NOTHING_BOUGHT, Outlook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.title import title_of
from airflow_provider_vidai.operators.links import VendorLink
from airflow_provider_vidai.operators.shown import ShownOperator
from airflow_provider_vidai.rooms import lineage, report
from airflow_provider_vidai.vendors import VENDORS

__all__ = ["HookT", "LandedFiles", "VendorOperator"]

HookT = TypeVar("HookT", bound=VidaiHook)


@dataclass(frozen=True)
class LandedFiles:
    """What a task has landed.

    :param model: of the job, where the task or the job's reference knows it.
    :param cost: what the job cost, where the task knows it.
    """

    ref: JobRef
    files: Sequence[JsonValue]
    model: str | None
    cost: JsonValue


class VendorOperator(ShownOperator, Generic[HookT]):
    """An operator that talks to one vendor through one connection."""

    #: A class attribute; a ``ClassVar`` cannot depend on a type variable.
    hook_class: type[HookT]
    #: Arguments that say what the task's work is called, the best first.
    titled_by: ClassVar[Sequence[str]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Airflow reads the links of a mapped task from its class.
        super().__init_subclass__(**kwargs)
        if "hook_class" in cls.__dict__:
            cls.operator_extra_links = (VendorLink(VENDORS[cls.hook_class.vendor_name].label),)

    def vendor_page(self) -> str:
        """Return the address of the vendor's pages: of what this task made, where it has one."""
        return VENDORS[self.hook_class.vendor_name].dashboard

    def conn_id(self) -> str:
        """Return the connection named by the ``<vendor>_conn_id`` argument."""
        return str(getattr(self, f"{self.hook_class.vendor_name}_conn_id"))

    @cached_property
    def hook(self) -> HookT:
        """The vendor's hook on this operator's connection."""
        return self.hook_class(self.conn_id())

    def hook_for(self, ref: JobRef) -> HookT:
        """Return the hook on the connection that a job was bought with."""
        return self.hook.for_job(ref)

    def outlook(self) -> Outlook:
        """Return what a failure costs, and what a Clear then does, unless the error itself says it."""
        return NOTHING_BOUGHT

    def note_landed(
        self, context: Context, ref: JobRef, files: Sequence[JsonValue], cost: JsonValue = None
    ) -> None:
        """Keep what was landed for OpenLineage, and report it to the metrics."""
        model = getattr(self, "model", None) or ref.params.get("model")
        self.__dict__["_landed"] = LandedFiles(ref, files, model if isinstance(model, str) else None, cost)
        report("landed", vendor=ref.vendor, kind=ref.kind, dag_id=context["ti"].dag_id, files=files)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the landed files as datasets, for Airflow's OpenLineage provider."""
        return lineage(self.__dict__.get("_landed"))

    def title(self) -> str | None:
        """Return a few words for people about what this task makes; None where it has none."""
        return next((found for found in map(title_of, map(self.given, self.titled_by)) if found), None)
