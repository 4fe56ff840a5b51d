"""Names that the vendors' own clients use, so that scripts written for them also work with a hook."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from airflow_provider_vidai.arguments import agreed
from airflow_provider_vidai.jobs.status import JobState

__all__ = ["HookJob", "Quote", "Result", "also"]

F = TypeVar("F", bound=Callable[..., Any])


def also(**names: tuple[str, ...]) -> Callable[[F], F]:
    """Let a method also accept other names for its parameters.

    Different values under two names of one parameter raise InputError, before anything is sent.

    :param names: the other names of each parameter.
    """
    meant = {other: name for name, others in names.items() for other in others}

    def wrap(method: F) -> F:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def called(*args: Any, **kwargs: Any) -> Any:
            others = {other: kwargs.pop(other) for other in meant if other in kwargs}
            # Bound to the signature, because a parameter may also be given by its position.
            given = signature.bind_partial(*args, **kwargs).arguments
            for other, value in others.items():
                name = meant[other]
                found = agreed(name, given.get(name), other, value)
                if given.get(name) is None and found is not None:
                    kwargs[name] = given[name] = found
            return method(*args, **kwargs)

        # So that help() and editors show the other names too.
        called.__signature__ = _with(signature, meant)  # type: ignore[attr-defined]
        return cast("F", called)

    return wrap


def _with(signature: inspect.Signature, meant: Mapping[str, str]) -> inspect.Signature:
    """Return a signature that includes the other names."""
    by_name = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(other, by_name, default=None) for other in meant]
    own = list(signature.parameters.values())
    rest = [one for one in own if one.kind is inspect.Parameter.VAR_KEYWORD]
    return signature.replace(parameters=[*(one for one in own if one not in rest), *added, *rest])


class Result(dict[str, Any]):
    """A hook's result: plain JSON whose fields are also attributes, under the clients' names too."""

    other_names: ClassVar[Mapping[str, str]] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return self[self.other_names.get(name, name)]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}") from None


class HookJob(Result):
    """A job in the form that all methods and operators accept."""

    other_names: ClassVar[Mapping[str, str]] = {
        "status": "vendor_status",
        "queue_id": "job_id",
        "task_id": "job_id",
        "project_id": "job_id",
    }

    @property
    def model(self) -> str | None:
        """The model that made it, if the vendor has models."""
        found: str | None = self["params"].get("model")
        return found

    def is_completed(self) -> bool:
        """Whether it was READY at the last status check."""
        return bool(self["state"] == JobState.READY.value)

    def is_failed(self) -> bool:
        """Whether it is FAILED."""
        return bool(self["state"] == JobState.FAILED.value)

    def is_processing(self) -> bool:
        """Whether it is RUNNING."""
        return bool(self["state"] == JobState.RUNNING.value)


class Quote(Result):
    """A price: ``{"quote_usd"}``."""

    other_names: ClassVar[Mapping[str, str]] = {"quote": "quote_usd", "estimated_cost": "quote_usd"}
    currency: ClassVar[str] = "USD"
