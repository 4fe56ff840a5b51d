"""The base of operators whose arguments may hold secrets or files: which parts of them Airflow shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from airflow_provider_vidai.arguments import Arguments
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.context import name_mapped_item
from airflow_provider_vidai.redaction import shown_media

__all__ = ["ShownOperator"]


class ShownOperator(Arguments, BaseOperator):
    """An operator that Airflow shows without the secrets and files in its arguments."""

    #: Arguments that may hold a signed URL or a whole file. Once rendered, they are shown without it; use
    #: :meth:`given` to read them.
    media_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#d9ecff"

    def __init__(self, **kwargs: Any) -> None:
        # This constructor must exist. Without it, Airflow gives a class whose first base is no operator the
        # constructor of BaseOperator, and mapped tasks then pass None for list arguments such as inlets.
        super().__init__(**kwargs)

    def given(self, name: str) -> Any:
        """Return an argument as it was given, including what is not shown."""
        return self.__dict__.get("_given_media", {}).get(name, getattr(self, name))

    def shown_argument(self, name: str) -> Any:
        """Return one of ``media_fields`` as people may see it."""
        return shown_media(literal(self.given(name)))

    def title(self) -> str | None:
        """Return a few words for people about what this task makes; None where it has none."""
        return None

    def title_or_none(self) -> str | None:
        """Return :meth:`title`; an argument of an odd shape is no reason to fail a task for its name."""
        try:
            return self.title()
        except Exception as error:  # noqa: BLE001 - see above
            self.log.debug("No title: %s", type(error).__name__)
            return None

    def take_arguments(self, arguments: Mapping[str, Any], context: Context) -> None:
        """Set arguments that are known only now, after the templates were rendered."""
        # What was given goes back in first. Otherwise the shown text would then count as what was given.
        for name, value in {**self.__dict__.pop("_given_media", {}), **arguments}.items():
            setattr(self, name, value)
        self._show_arguments(context)

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
    ) -> None:
        """Render the fields, and keep secrets and files out of what Airflow stores and shows."""
        # Airflow renders a mapped task by this method alone, and not by render_template_fields().
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        # Airflow also calls this for objects within an argument that have template fields of their own.
        if parent is self:
            self._show_arguments(context)

    def _show_arguments(self, context: Context) -> None:
        media = {name: getattr(self, name) for name in self.media_fields}
        if media:
            self.__dict__["_given_media"] = media
        # Airflow stores and shows the attributes as they are after this method; given() returns the rest.
        for name in media:
            setattr(self, name, self.shown_argument(name))
        name_mapped_item(context, self.title_or_none)
