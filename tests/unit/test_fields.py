"""One meaning of true, of a number, of a whole number, of seconds and of text, whichever vendor is asked."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from airflow_provider_vidai import vendors
from airflow_provider_vidai.arguments import (
    as_bool,
    as_number,
    as_seconds,
    as_text,
    as_whole,
    guard,
    positive_seconds,
    truth,
    whole_number,
)
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.operators.venice import VeniceTranscribeOperator, VeniceVideoOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import (
    VizardCaptionOperator,
    VizardClipsOperator,
    VizardPublishOperator,
)
from airflow_provider_vidai.vendors.fields import Mark, Request
from airflow_provider_vidai.vendors.venice.requests import VideoArguments, VideoRequest, wire_duration
from airflow_provider_vidai.vendors.venice.speech import TranscriptRequest
from airflow_provider_vidai.vendors.vidgo.catalogue import NUMBERS, SECONDS, SWITCHES
from airflow_provider_vidai.vendors.vidgo.requests import understood
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest
from airflow_provider_vidai.vendors.vizard.requests import Choice, ProjectRequest
from airflow_provider_vidai.vendors.vizard.social import CaptionRequest, PublishRequest

TRUE = [True, 1, 1.0, "1", "true", "True", " TRUE ", "t", "yes", "Yes", "y", "on", "ON"]
FALSE = [False, 0, 0.0, "0", "false", "False", "f", "no", "NO", "n", "off", " off "]
NEITHER = ["", "maybe", "2", 2, 0.5, -1, [], {}, b"yes", float("nan"), "None", "enabled"]

FIVE = [5, "5", 5.0, "5.0", " 5 ", Decimal(5), Fraction(5)]
NO_NUMBERS = [True, False, "", "five", "5 USD", "nan", "inf", float("inf"), float("nan"), [], [5], {}, b"5"]
NOT_WHOLE = [*NO_NUMBERS, 5.5, "5.5", Decimal("5.5"), 1e300, "1e300", 2.0**53]
FIVE_SECONDS = [*FIVE, "5s", "5 s", "5S", "5sec", "5 secs", "5 second", "5 seconds", timedelta(seconds=5)]
NO_SECONDS = [*NO_NUMBERS, "s", "5m", "5 minutes", "0:05", "5ss", "seconds"]

Field = tuple[type[Request], str]


def _requests(kind: type[Request] = Request) -> Iterator[type[Request]]:
    for one in kind.__subclasses__():
        yield one
        yield from _requests(one)


def _core(annotation: Any) -> Any:
    """Return the type of a value, without None and what is said about it."""
    if get_origin(annotation) is Annotated:
        return _core(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return _core(parts[0]) if len(parts) == 1 else annotation
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0]) if not isinstance(get_args(annotation)[0], str) else annotation
    return annotation


for module in pkgutil.walk_packages(vendors.__path__, f"{vendors.__name__}."):
    importlib.import_module(module.name)
FIELDS: list[Field] = sorted(
    {(kind, name) for kind in _requests() for name in kind.model_fields},
    key=lambda one: (str(one[0]), one[1]),
)
#: What says how long something is, or when it is, is read as such; a location is text from the beginning.
SPECIAL = {"duration", "publish_at"}


def of(core: type) -> list[Any]:
    return [
        pytest.param(kind, name, id=f"{kind.__name__}.{name}")
        for kind, name in FIELDS
        if _core(kind.model_fields[name].annotation) is core and name not in (*SPECIAL, *kind.media())
    ]


def read(kind: type[Request], name: str, value: Any) -> Any:
    """Read one field of a request by its own type."""
    field = kind.model_fields[name]
    parts = (field.annotation, *field.metadata)
    kept: Any = Annotated[parts] if field.metadata else field.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(kept)
    return adapter.validate_python(value)


def refused(kind: type[Request], name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        read(kind, name, value)


# --- the readers --------------------------------------------------------------------------------


@pytest.mark.parametrize(("values", "meaning"), [(TRUE, True), (FALSE, False)])
def test_every_usual_text_for_true_and_false_is_read(values: list[Any], meaning: bool) -> None:
    for value in values:
        assert as_bool(value) is meaning, value
        assert truth("dry_run", value) is meaning, value


@pytest.mark.parametrize(
    ("reader", "values", "meaning"),
    [
        (as_number, FIVE, 5),
        (as_whole, FIVE, 5),
        (as_seconds, FIVE_SECONDS, 5),
        (as_number, ["1e3", 1000], 1000),
    ],
)
def test_a_number_is_the_same_however_it_is_written(reader: Any, values: list[Any], meaning: int) -> None:
    assert [reader(value) for value in values] == [meaning] * len(values)


@pytest.mark.parametrize(
    ("reader", "values"),
    [
        (as_bool, NEITHER),
        (as_number, [*NO_NUMBERS, 10**400]),
        (as_whole, NOT_WHOLE),
        (as_seconds, NO_SECONDS),
        (as_text, [True, None, [], {}, b"text"]),
    ],
)
def test_what_cannot_be_read_is_refused(reader: Any, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match="must be"):
            reader(value)


def test_a_long_number_keeps_all_its_digits() -> None:
    digits = 12345678901234567891
    assert [as_whole(digits), as_whole(str(digits)), as_number(str(digits))] == [digits] * 3
    with pytest.raises(ValueError, match="whole"):
        as_whole(float(digits))


def test_operators_and_sensors_read_their_own_arguments_by_the_same_rules() -> None:
    assert [positive_seconds("timeout", value) for value in FIVE_SECONDS] == [5.0] * len(FIVE_SECONDS)
    assert [whole_number("min_bytes", value) for value in FIVE] == [5] * len(FIVE)
    assert [guard("max_cost_usd", value) for value in FIVE] == [5.0] * len(FIVE)
    for value in filter(None, NOT_WHOLE):
        with pytest.raises(InputError, match="min_bytes"):
            whole_number("min_bytes", value)


# --- every field of every request ---------------------------------------------------------------


def test_no_request_is_missed() -> None:
    assert {kind.__module__.split(".")[2] for kind, _ in FIELDS} == {"vidio", "venice", "vizard", "vidgo"}
    assert min(len(of(bool)), len(of(int)), len(of(float))) > 8
    assert len(of(str)) > 10


@pytest.mark.parametrize(("kind", "name"), of(bool))
def test_a_boolean_means_the_same_in_every_request(kind: type[Request], name: str) -> None:
    for value in TRUE:
        assert read(kind, name, value) is True, value
    for value in FALSE:
        if name.startswith("confirmed_"):
            refused(kind, name, value)
        else:
            assert read(kind, name, value) is False, value
    for value in NEITHER:
        refused(kind, name, value)


@pytest.mark.parametrize(("kind", "name"), of(int))
def test_a_whole_number_means_the_same_in_every_request(kind: type[Request], name: str) -> None:
    found = [read(kind, name, value) for value in (1, "1", 1.0, " 1 ", Decimal(1))]
    assert found == [1] * 5
    assert {type(one) for one in found} == {int}
    for value in (True, 1.5, "1.5", "one", float("nan")):
        refused(kind, name, value)


@pytest.mark.parametrize(("kind", "name"), of(float))
def test_a_number_means_the_same_in_every_request(kind: type[Request], name: str) -> None:
    value = {"target_fps": 16, "grain": 0}.get(name, 1)
    assert [read(kind, name, one) for one in (value, str(value), float(value), Decimal(value))] == [value] * 4
    for wrong in (True, "", "one", float("nan"), "inf", [value]):
        refused(kind, name, wrong)


@pytest.mark.parametrize(("kind", "name"), of(str))
def test_a_text_means_the_same_in_every_request(kind: type[Request], name: str) -> None:
    assert read(kind, name, "2026") == read(kind, name, 2026) == "2026"
    for value in (True, b"2026", {}):
        refused(kind, name, value)


def test_seconds_mean_the_same_in_every_request() -> None:
    for value in FIVE_SECONDS:
        assert wire_duration(value) == "5s"
        assert read(ReelRequest, "output_length", value) == 5.0
        for name in SECONDS:
            assert understood({name: value}) == {name: 5}, (name, value)
    for wrong in filter(None, NO_SECONDS):
        with pytest.raises(ValueError, match="seconds"):
            wire_duration(wrong)
        refused(ReelRequest, "output_length", wrong)


def test_vidgos_fields_are_read_by_the_same_rules_and_kept_where_they_cannot_be() -> None:
    for name in NUMBERS:
        for value in FIVE:
            assert understood({name: value}) == {name: 5}, (name, value)
        assert understood({name: "auto"}) == {name: "auto"}
    for name in SWITCHES:
        for values, meaning in ((TRUE, True), (FALSE, False)):
            assert [understood({name: value}) for value in values] == [{name: meaning}] * len(values)
        assert understood({name: "auto"}) == {name: "auto"}
    assert understood({"seed": "12345678901234567891"}) == {"seed": 12345678901234567891}
    nested = {"multi_prompt": [{"prompt": "a", "duration": "5s"}]}
    assert understood(nested) == {"multi_prompt": [{"prompt": "a", "duration": 5}]}


# --- a request drives its operator --------------------------------------------------------------

DRIVEN: list[tuple[Any, tuple[type[Request], ...]]] = [
    (VidioHighlightReelOperator, (ReelRequest,)),
    (VidioRenderOperator, (RenderRequest,)),
    (VeniceVideoOperator, (VideoArguments,)),
    (VeniceTranscribeOperator, (TranscriptRequest,)),
    (VizardClipsOperator, (ProjectRequest, Choice)),
    (VizardCaptionOperator, (CaptionRequest,)),
    (VizardPublishOperator, (PublishRequest,)),
]


@pytest.mark.parametrize(("operator", "models"), DRIVEN)
def test_every_field_of_a_request_is_an_argument_and_a_template(operator: Any, models: Any) -> None:
    fields = {name for model in models for name in model.arguments()} - {"video_id"}
    assert fields <= set(operator.template_fields)
    assert {name for model in models for name in model.media()} <= set(operator.media_fields)
    assert {name for model in models for name in model.collections()} <= set(operator.collections)


def test_a_new_field_names_itself_its_files_and_its_lists() -> None:
    class Part(Request):
        picture: Annotated[str, Mark.MEDIA] | None = None

    class Longer(ProjectRequest):
        cover: Annotated[str, Mark.MEDIA] | None = None
        parts: list[Part] | None = None
        tags: Annotated[str, Mark.LIST] | None = None

    assert Longer.arguments() == (*ProjectRequest.arguments(), "cover", "parts", "tags")
    assert Longer.media() == (*ProjectRequest.media(), "cover", "parts")
    assert Longer.collections() == (*ProjectRequest.collections(), "parts", "tags")
    assert issubclass(VideoRequest, VideoArguments)
    assert all(issubclass(kind, BaseModel) for kind in (Part, Longer))
