"""The base of all operators: the vendor's connection, and which parts of arguments are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from airflow.sdk import BaseOperator, Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import Arguments
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.hooks.failures import NOTHING_BOUGHT, Outlook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.jobs.title import title_of
from airflow_provider_vidai.operators.context import name_mapped_item
from airflow_provider_vidai.operators.links import VendorLink
from airflow_provider_vidai.redaction import shown_media
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


class VendorOperator(Arguments, BaseOperator, Generic[HookT]):
    """An operator that talks to one vendor through one connection."""

    #: A class attribute; a ``ClassVar`` cannot depend on a type variable.
    hook_class: type[HookT]
    #: Arguments that may hold a signed URL or a whole file. Once rendered, they are shown without it; use
    #: :meth:`given` to read them.
    media_fields: ClassVar[Sequence[str]] = ()
    #: Arguments that say what the task's work is called, the best first.
    titled_by: ClassVar[Sequence[str]] = ()
    ui_color = "#d9ecff"

    def __init__(self, **kwargs: Any) -> None:
        # This constructor must exist. Without it, Airflow gives a class whose first base is no operator the
        # constructor of BaseOperator, and mapped tasks then pass None for list arguments such as inlets.
        super().__init__(**kwargs)

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
        """Keep what was landed for OpenLineage, and report it to whoever counts it."""
        model = getattr(self, "model", None) or ref.params.get("model")
        self.__dict__["_landed"] = LandedFiles(ref, files, model if isinstance(model, str) else None, cost)
        report("landed", vendor=ref.vendor, kind=ref.kind, dag_id=context["ti"].dag_id, files=files)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the landed files as datasets, for Airflow's OpenLineage provider."""
        return lineage(self.__dict__.get("_landed"))

    def given(self, name: str) -> Any:
        """Return an argument as it was given, including what is not shown."""
        return self.__dict__.get("_given_media", {}).get(name, getattr(self, name))

    def title(self) -> str | None:
        """Return a few words for people about what this task makes; None where it has none."""
        return next((found for found in map(title_of, map(self.given, self.titled_by)) if found), None)

    def title_or_none(self) -> str | None:
        """Return :meth:`title`; an argument of an odd shape is no reason to fail a task for its name."""
        try:
            return self.title()
        except Exception as error:  # noqa: BLE001 - see above
            self.log.debug("No title: %s", type(error).__name__)
            return None

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
    ) -> None:
        """Render the fields, and keep secrets and files out of what Airflow stores and shows."""
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        # Airflow also calls this for objects within an argument that have template fields of their own.
        if parent is self:
            self._show_arguments(context)

    def take_arguments(self, arguments: Mapping[str, Any], context: Context) -> None:
        """Set arguments that are known only now, after the templates were rendered."""
        for name, value in {**self.__dict__.pop("_given_media", {}), **arguments}.items():
            setattr(self, name, value)
        self._show_arguments(context)

    def _show_arguments(self, context: Context) -> None:
        media = {name: getattr(self, name) for name in self.media_fields}
        if media:
            self.__dict__["_given_media"] = media
        # Airflow stores and shows the attributes as they are after this method; given() returns the rest.
        for name, value in media.items():
            setattr(self, name, shown_media(literal(value)))
        name_mapped_item(context, self.title_or_none)
