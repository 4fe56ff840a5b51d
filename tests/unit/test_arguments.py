"""What an argument means: of every operator and sensor there is, found by inspection and not by a list."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pytest
from airflow.sdk import DAG

from airflow_provider_vidai._compat import AirflowFailException, conf
from airflow_provider_vidai.arguments import Arguments, guard, positive_seconds, truth
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.operators.base import JobOperator, PaidOperator
from airflow_provider_vidai.operators.venice import (
    VeniceQuoteOperator,
    VeniceReleaseOperator,
    VeniceVideoOperator,
)
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator
from airflow_provider_vidai.provider_info import get_provider_info
from airflow_provider_vidai.sensors.base import JobSensor
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from tests.support.raw import RawServer, answer, serving
from tests.support.task import Task

#: What a template that finds nothing renders to.
EMPTY = ["", " ", "None", "null", "\n", " None "]
#: A usable value of every argument that some operator or sensor requires.
REQUIRED: dict[str, Any] = {
    "aspect_ratio": "landscape",
    "clip": "12",
    "destination": "/tmp/landed/",
    "input": {"prompt": "a lake"},
    "input_keys": ["key"],
    "job": "job-1",
    "model": "a-model",
    "output_length": 30,
    "social_account_id": "account-1",
    "source": "/tmp/video.mp4",
    "url": "https://example.com/talk.mp4",
    "video_category": "travel",
    "video_url": "https://example.com/talk.mp4",
}
#: A missing job is what this one is made for: there is nothing to release then.
TAKES_NONE = {(VeniceReleaseOperator, "job")}


def _kinds() -> Iterator[Any]:
    info = get_provider_info()
    for entry in (*info["operators"], *info["sensors"]):
        for module in map(importlib.import_module, entry["python-modules"]):
            for kind in vars(module).values():
                own = isinstance(kind, type) and issubclass(kind, Arguments)
                if own and kind.__module__ == module.__name__ and not kind.__name__.startswith("_"):
                    yield kind


def _defaults(kind: Any) -> dict[str, Any]:
    """Return the optional arguments, read from the signatures a second time."""
    found: dict[str, Any] = {}
    for one in kind.__mro__:
        if one.__module__.startswith("airflow_provider_vidai") and "__init__" in vars(one):
            for name, parameter in inspect.signature(one.__init__).parameters.items():
                found.setdefault(name, parameter.default)
    return {name: default for name, default in found.items() if default is not inspect.Parameter.empty}


KINDS = list(_kinds())
OPTIONAL = [
    (kind, name)
    for kind in KINDS
    for name in kind.template_fields
    if name in _defaults(kind) and name not in kind.guards
]
NEEDED = [
    (kind, name)
    for kind in KINDS
    for name in kind.template_fields
    if name not in _defaults(kind) and (kind, name) not in TAKES_NONE
]
PAID = [kind for kind in KINDS if issubclass(kind, PaidOperator)]
GUARDS = [(kind, name) for kind in KINDS for name in kind.guards]


def _named(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)


def made(kind: Any, /, **given: Any) -> Any:
    needed = {name: value for name, value in REQUIRED.items() if name in kind.template_fields}
    needed = {name: value for name, value in needed.items() if name not in _defaults(kind)}
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
        return kind(task_id="t", **{**needed, **given})


def rendered(operator: Any) -> Any:
    """Return an operator as Airflow renders it, with nothing in the context."""
    operator.render_template_fields({"nothing": None}, jinja2.Environment())
    return operator


def meant(operator: Any) -> dict[str, Any]:
    """Return what every argument of an operator means."""
    names = (*operator.template_fields, "deferrable")
    return {name: operator.given(name) for name in names if hasattr(operator, name)}


@pytest.fixture
def server(connect: Any) -> Iterator[RawServer]:
    """A vendor's API, whichever, which refuses everything: it is there to be left alone."""
    with serving(answer(400)) as api:
        for vendor in ("vidio", "venice", "vizard", "vidgo"):
            connect(f"{vendor}_default", conn_type=vendor, host=f"http://127.0.0.1:{api.port}")
        yield api


def refused(make: Any, server: RawServer, *parts: str) -> str:
    """Run a task that fails for good, before anything is sent."""
    with pytest.raises(AirflowFailException) as caught:
        Task(make).run()
    said = str(caught.value)
    assert all(word in said for word in parts), said
    assert "Nothing was sent." in said
    assert server.requests == []
    return said


# --- nothing is as good as left out ---------------------------------------------------------------


def test_every_operator_and_sensor_is_checked() -> None:
    assert len(KINDS) == 20
    assert len(OPTIONAL) > 130
    assert len(NEEDED) > 20


@pytest.mark.parametrize(("kind", "name"), OPTIONAL, ids=_named)
def test_an_empty_optional_argument_counts_as_omitted(kind: Any, name: str) -> None:
    left_out = meant(rendered(made(kind)))
    assert left_out[name] == _defaults(kind)[name]
    for empty in EMPTY:
        assert meant(made(kind, **{name: empty})) == left_out, f"given as {empty!r}"
        template = empty.replace("None", "{{ nothing }}")
        assert meant(rendered(made(kind, **{name: template}))) == left_out, f"rendered to {empty!r}"


@pytest.mark.parametrize(("kind", "name"), OPTIONAL, ids=_named)
def test_an_argument_that_an_upstream_task_returned_as_none_is_omitted(kind: Any, name: str) -> None:
    given = rendered(made(kind, **{name: lambda context, jinja_env: None}))
    assert meant(given) == meant(rendered(made(kind)))


@pytest.mark.parametrize("kind", PAID, ids=_named)
def test_a_purchase_is_the_same_with_all_that_is_optional_left_out_or_empty(kind: Any) -> None:
    options = {name: "{{ nothing }}" for one, name in OPTIONAL if one is kind}
    assert rendered(made(kind, **options)).asked() == rendered(made(kind)).asked()


@pytest.mark.parametrize("empty", [*EMPTY, None], ids=repr)
@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in KINDS for name in kind.collections], ids=_named
)
def test_empty_items_of_a_list_are_dropped(kind: Any, name: str, empty: Any) -> None:
    kept: Any
    with_empty: Any
    nothing: Any
    if name in ("options", "input"):
        kept, with_empty, nothing = {"a": "b"}, {"a": "b", "c": empty, "d": [empty]}, {"c": empty}
    else:
        kept, with_empty, nothing = ["b", "c"], ["b", empty, "c"], [empty]
    for given in (with_empty, str(with_empty)):
        assert rendered(made(kind, **{name: given})).given(name) == kept, given
    expected = _defaults(kind).get(name)
    assert rendered(made(kind, **{name: nothing})).given(name) == expected
    assert rendered(made(kind, **{name: str(nothing)})).given(name) == expected


@pytest.mark.parametrize("value", [0, False, 0.0, "0", "no", "none", "a None b", {"a": None}], ids=repr)
def test_what_holds_something_stays_as_it_was_given(value: Any) -> None:
    assert made(VizardClipsOperator, template_id=value).template_id == value


def test_an_element_loses_its_empty_parts() -> None:
    given = [{"frontal_image_url": "{{ nothing }}", "video_url": "https://example.com/a.mp4"}]
    video = rendered(made(VeniceVideoOperator, elements=given))
    assert video.given("elements") == [{"video_url": "https://example.com/a.mp4"}]


@pytest.mark.parametrize(("kind", "name"), NEEDED, ids=_named)
def test_an_empty_required_argument_is_named_and_nothing_is_sent(
    kind: type, name: str, server: RawServer
) -> None:
    for empty in (*EMPTY, None):
        refused(partial(made, kind, **{name: empty}), server, f"{name} is required. ")
        template = {name: lambda context, jinja_env, empty=empty: empty}
        refused(lambda given=template: rendered(made(kind, **given)), server, f"{name} is required. ")


def test_a_list_of_nothing_but_empty_items_is_required_too(server: RawServer) -> None:
    for given in ([""], ["None", " "], "[]", iter([])):
        refused(
            partial(made, VidioHighlightReelOperator, input_keys=given),
            server,
            "input_keys is required",
        )


@pytest.mark.parametrize("kind", KINDS, ids=_named)
def test_a_mapped_task_keeps_airflows_own_defaults(kind: Any) -> None:
    needed = [name for one, name in NEEDED if one is kind] or ["job"]
    given = {name: REQUIRED[name] for name in needed[1:]}
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
        mapped = kind.partial(task_id="t", **given).expand(**{needed[0]: [REQUIRED[needed[0]]]})
    assert mapped.inlets == []
    assert mapped.outlets == []
    assert mapped.unmap({needed[0]: REQUIRED[needed[0]]}).given(needed[0]) == REQUIRED[needed[0]]


# --- guards ----------------------------------------------------------------------------------------

NO_LIMITS = [
    *(
        "",
        " ",
        "None",
        "null",
        "none",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "1e999",
        "-1",
        -1,
        -0.01,
        "ten",
        "5 USD",
    ),
    *(True, False, "True", [], [5], {}, (), b"5", float("nan"), float("inf"), Decimal("NaN"), 10**400, 5j),
    *(timedelta(5), object()),
]


@pytest.mark.parametrize("value", NO_LIMITS, ids=lambda value: re.sub(" at 0x.*", ">", repr(value)))
def test_what_is_no_number_is_never_taken_for_no_guard(value: Any, server: RawServer) -> None:
    assert GUARDS
    for kind, name in GUARDS:
        for deferrable in (False, True):
            refused(partial(made, kind, deferrable=deferrable, **{name: value}), server, name)
    prompt = {"prompt": "a lake"}
    for buy in (
        lambda: VeniceHook().queue("a-model", max_cost_usd=value, **prompt),
        lambda: VeniceHook().complete("a-model", max_cost_usd=value, **prompt),
        lambda: VeniceHook().order({"model": "a-model", **prompt}, max_cost_usd=value),
        lambda: VidgoHook().submit("a-model", prompt, min_credits=value),
        lambda: VidgoHook().order("a-model", prompt, min_credits=value),
    ):
        with pytest.raises(
            InputError, match=r"(max_cost_usd|min_credits) must be a number .* Nothing was sent\."
        ):
            buy()
    assert server.requests == []


@pytest.mark.parametrize("nothing", ["{{ nothing }}", " {{ '' }}", "null", None], ids=repr)
@pytest.mark.parametrize(("kind", "name"), GUARDS, ids=_named)
def test_a_guard_that_was_given_is_not_switched_off_by_rendering_it(
    kind: Any, name: str, nothing: Any, server: RawServer
) -> None:
    template = (lambda context, jinja_env: None) if nothing is None else nothing
    refused(lambda: rendered(made(kind, **{name: template})), server, name, "Leave it out (None)")


@pytest.mark.parametrize(
    ("value", "limit"),
    [(None, None), (0, 0.0), ("0", 0.0), ("0.5", 0.5), (" 5 ", 5.0), (7, 7.0), (Decimal("1.5"), 1.5)],
    ids=repr,
)
def test_a_guard_is_a_number_or_left_out(value: Any, limit: float | None) -> None:
    assert guard("max_cost_usd", value) == limit


# --- times ------------------------------------------------------------------------------------------

NO_TIMES = [0, 0.0, -1, "0", "-5", timedelta(0), timedelta(seconds=-5), "soon", True, float("nan"), "inf", []]


@pytest.mark.parametrize("value", NO_TIMES, ids=repr)
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("kind", PAID, ids=_named)
def test_a_time_that_is_not_above_zero_buys_nothing(
    kind: Any, deferrable: bool, value: Any, server: RawServer
) -> None:
    names = ["timeout", "poll_interval"] if issubclass(kind, JobOperator) else ["timeout"]
    for name in names:
        refused(partial(made, kind, deferrable=deferrable, **{name: value}), server, name)
    if isinstance(value, timedelta):
        refused(
            partial(made, kind, deferrable=deferrable, execution_timeout=value), server, "execution_timeout"
        )


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, JobSensor)], ids=_named)
def test_a_sensor_waits_for_more_than_no_time(kind: Any, deferrable: bool, server: RawServer) -> None:
    zero = timedelta(0)
    for given in ({"timeout": 0}, {"timeout": zero}, {"poke_interval": 0}, {"poke_interval": zero}):
        refused(partial(made, kind, deferrable=deferrable, **given), server, next(iter(given)))
    for span in (zero, -timedelta(5)):
        refused(
            partial(made, kind, deferrable=deferrable, execution_timeout=span),
            server,
            "execution_timeout",
        )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("None", None), (5, 5.0), ("2.5", 2.5), (timedelta(minutes=1), 60.0)],
    ids=repr,
)
def test_a_time_is_a_number_its_text_or_a_timedelta(value: Any, seconds: float | None) -> None:
    assert positive_seconds("timeout", value) == seconds


# --- true and false ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((text, False) for text in ("False", "false", " FALSE ", "no", "0", "off", "f", "n", 0, False)),
        *((text, True) for text in ("True", "true", "yes", "1", "on", 1, True)),
    ],
    ids=repr,
)
def test_the_usual_texts_for_true_and_false_are_read(value: Any, said: bool) -> None:
    assert truth("deferrable", value) is said


@pytest.mark.parametrize("value", ["maybe", "2", 2, "{{ deferrable }}", [], [False], 0.5, "none"], ids=repr)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "deferrable" in _defaults(kind)], ids=_named)
def test_a_task_that_is_neither_deferrable_nor_not_does_nothing(
    kind: Any, value: Any, server: RawServer
) -> None:
    refused(partial(made, kind, deferrable=value), server, "deferrable must be true or false")


@pytest.mark.parametrize("empty", [*EMPTY, None], ids=repr)
@pytest.mark.parametrize("kind", [VidgoGenerateOperator, VidioJobSensor], ids=_named)
def test_deferrable_left_empty_is_what_airflow_is_set_to(kind: Any, empty: Any) -> None:
    assert made(kind, deferrable=empty).deferrable is conf.getboolean("operators", "default_deferrable")


# --- two names of one argument ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [VeniceQuoteOperator, VeniceVideoOperator], ids=_named)
def test_the_clients_names_of_an_argument_are_the_same_argument(kind: Any) -> None:
    by_ours = made(kind, duration=5, image_url="/tmp/a.png", options={"fps": 24})
    by_theirs = made(kind, duration_seconds=5, image=Path("/tmp/a.png"), fps=24)
    assert rendered(by_theirs).described() == rendered(by_ours).described()


def test_a_request_by_the_clients_names_is_no_other_request() -> None:
    by_ours = made(VeniceVideoOperator, duration=5, image_url="/tmp/a.png")
    by_theirs = made(VeniceVideoOperator, duration_seconds=5, image="/tmp/a.png")
    assert by_theirs.asked() == by_ours.asked()
    assert set(made(VeniceVideoOperator).asked()) == set(VeniceVideoOperator.request_fields)


@pytest.mark.parametrize(
    "both",
    [{"duration": 5, "duration_seconds": 10}, {"image": "/tmp/a.png", "image_url": Path("/tmp/b.png")}],
    ids=repr,
)
def test_two_values_for_one_argument_are_refused(both: dict[str, Any], server: RawServer) -> None:
    refused(partial(made, VeniceVideoOperator, **both), server, *both, "two names of one argument")


@pytest.mark.parametrize(
    "both",
    [
        {"duration": 5, "duration_seconds": "5 seconds"},
        {"image": "/tmp/a.png", "image_url": Path("/tmp/a.png")},
        {"duration": "", "duration_seconds": 5},
    ],
    ids=repr,
)
def test_one_value_by_two_names_is_one_value(both: dict[str, Any]) -> None:
    assert made(VeniceVideoOperator, **both).described()


def test_a_path_is_taken_wherever_a_file_is_named() -> None:
    video = made(VeniceVideoOperator, image=Path("/tmp/a.png"), reference_image_urls=[Path("/tmp/b.png")])
    assert video.described()["image_url"] == "/tmp/a.png"
    assert video.described()["reference_image_urls"] == ["/tmp/b.png"]


def test_every_parameter_of_the_clients_is_an_argument_of_the_operators() -> None:
    clients = {
        *("model", "prompt", "duration_seconds", "duration", "negative_prompt", "resolution", "audio"),
        *("aspect_ratio", "image_url", "image", "upscale_factor", "end_image_url", "audio_url", "video_url"),
        *("reference_image_urls", "reference_audio_urls", "reference_video_urls", "elements"),
        *("scene_image_urls", "consents", "seed", "fps", "motion_bucket_id", "guidance_scale"),
        "reference_video_total_duration",
    }
    assert clients <= set(VeniceVideoOperator.template_fields)
    assert clients <= set(VeniceQuoteOperator.template_fields)
