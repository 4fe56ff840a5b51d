"""``@task.vidgo_generate`` and its like: a function returns a purchase's request, the operator does the rest.

There is one decorator per paid operator; ``TASK_DECORATORS`` in :mod:`airflow_provider_vidai.provider_info`
names them. Each is an attribute of this module, where Airflow finds it. Example::

    @task.vidgo_generate(deferrable=True, retries=3, download_to="s3://aws_default@media/images/")
    def picture(scene: str) -> dict:
        return {"model": "nano-banana-2", "input": {"prompt": f"{scene}, at dawn", "size": "16:9"}}

    picture.expand(scene=["A lighthouse", "A harbour"])

The function returns arguments of the operator as a dict; whatever is a template field may be among them. They
are taken as they are: templates in them are not rendered. Other arguments are given to the decorator, and may
be templates. The task returns what the operator returns, and its record, fingerprint, retries and Clear are
the operator's.

- **The function runs again** in each try, and each time that a deferred task resumes. Let it be quick, change
  nothing, and return the same for the same arguments. A retry waits for what an earlier try bought even if
  the function returns something else by then.
- **A function that fails** has bought nothing in this try. What an earlier try bought is on record.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

from airflow.sdk import Context

from airflow_provider_vidai._compat import (
    DecoratedOperator,
    TaskDecorator,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_provider_vidai.arguments import defaults_of
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.provider_info import TASK_DECORATORS
from airflow_provider_vidai.redaction import shown

__all__ = ["DecoratedPurchase"]


class DecoratedPurchase(DecoratedOperator):
    """What the operators of all decorators share; the other base of each is a paid operator."""

    #: The paid operator, and how Airflow names the decorator.
    buys: ClassVar[type[PaidOperator[Any]]]
    custom_operator_name: ClassVar[str]
    #: Airflow shows the arguments as they are after the function has returned them.
    overwrite_rtif_after_execution: bool = True

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # What the operator requires comes from the function, and is checked before anything is bought.
        later: dict[str, Any] = dict.fromkeys(_required(self.buys) - kwargs.keys())
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **later, **kwargs
        )

    def execute(self, context: Context) -> Any:
        """Ask the function for the request, and do what the operator does."""
        self._ask(context)
        # Not the next class's: Airflow's decorators would search the result for assets.
        return self.buys.execute(self, context)  # type: ignore[arg-type]

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral, with the request that the function returns."""
        if hasattr(self, next_method):  # Airflow calls it with another name if the trigger itself failed
            self._ask(context)
        return super().resume_execution(next_method, next_kwargs, context)

    def _ask(self, context: Context) -> None:
        given = determine_kwargs(self.python_callable, self.op_args, {**context, **self.op_kwargs})
        returned = self.python_callable(*self.op_args, **given)
        with airflow_failures(self, context):  # type: ignore[arg-type]
            self.take_arguments(self._checked(returned), context)  # type: ignore[attr-defined]

    def _checked(self, returned: Any) -> Mapping[str, Any]:
        if not isinstance(returned, Mapping):
            raise InputError(
                f"The function of {self.custom_operator_name} must return the arguments of "
                f"{self.buys.__name__} as a dict, not {shown(returned)}."
            )
        unknown = sorted(set(map(str, returned)) - set(self.buys.template_fields))
        if unknown:
            raise InputError(
                f"The function of {self.custom_operator_name} returned {', '.join(unknown)}, which "
                f"{self.buys.__name__} does not take: it takes {', '.join(self.buys.template_fields)}."
            )
        return returned


@cache
def _operator(name: str) -> type[DecoratedPurchase]:
    """Return the operator of the decorator ``name``."""
    module, _, kind = TASK_DECORATORS[name].partition(".")
    buys: Any = getattr(import_module(f"airflow_provider_vidai.operators.{module}"), kind)
    fields: Sequence[str] = (*DecoratedOperator.template_fields, *buys.template_fields)
    renderers = {**DecoratedOperator.template_fields_renderers, **buys.template_fields_renderers}
    return type(
        kind.replace("Operator", "DecoratedOperator"),
        (DecoratedPurchase, buys),
        {
            "__doc__": f"The operator of ``@task.{name}``.",
            "__module__": __name__,
            "buys": buys,
            "custom_operator_name": f"@task.{name}",
            "template_fields": fields,
            "template_fields_renderers": renderers,
        },
    )


def _required(kind: type) -> set[str]:
    """Return the arguments that a paid operator cannot be made without."""
    # Only this package's constructors: those of Airflow require what the decorator's factory passes by
    # itself.
    named = {
        parameter.name
        for one in kind.__mro__
        if one.__module__.startswith("airflow_provider_vidai.") and "__init__" in vars(one)
        for parameter in inspect.signature(vars(one)["__init__"]).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return named - defaults_of(kind).keys()


def _decorator(name: str) -> Callable[..., TaskDecorator]:
    def decorator(
        python_callable: Callable[..., Any] | None = None, multiple_outputs: bool = False, **kwargs: Any
    ) -> TaskDecorator:
        # Airflow would take the annotation "-> dict" of the function, which is about the request, for the
        # result's, and store each field of the result as an XCom of its own.
        return task_decorator_factory(
            python_callable=python_callable,
            multiple_outputs=multiple_outputs,
            decorated_operator_class=_operator(name),
            **kwargs,
        )

    decorator.__name__ = decorator.__qualname__ = name
    decorator.__doc__ = f"Decorate a function that returns the request of {TASK_DECORATORS[name]}."
    return decorator


def __getattr__(name: str) -> Any:
    # Only the modules of the vendors that a DAG uses are imported.
    if name not in TASK_DECORATORS:
        raise AttributeError(name)
    return _decorator(name)
