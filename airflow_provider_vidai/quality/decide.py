"""Whether measurements keep to limits. Nothing here reads a file or a clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.arguments import as_seconds
from airflow_provider_vidai.quality.limits import Limits, ratio
from airflow_provider_vidai.quality.measurements import Measurements, Picture, Sound, Stretch, Stretches

#: Places that a finding names.
_NAMED = 5
#: How much width to height may differ: a codec takes only even numbers of pixels, or multiples of 16.
_ASPECT_TOLERANCE = 0.03
#: A length may differ from the one asked for by at least this many seconds, and by this share of it.
_SECONDS_TOLERANCE, _SHARE_TOLERANCE = 0.5, 0.05
#: The share of a file from which on its one still is all there is to see.
_ONE_STILL = 0.95


class Finding(BaseModel):
    """One limit that a file does not keep to.

    :param check: the name of the limit.
    :param what: what was measured and what is allowed, for people.
    :param at: where, in seconds.
    """

    model_config = ConfigDict(frozen=True)

    check: str
    what: str
    at: tuple[Stretch, ...] = ()


class Asked(BaseModel):
    """What a request asked the vendor for.

    :param seconds: the length.
    :param aspect: width to height.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float | None = None
    aspect: float | None = None


def asked_of(request: Mapping[str, Any]) -> Asked:
    """Return what a paid task's arguments ask for, as far as they say it in numbers."""
    # VIDIO and Venice take these as arguments. For Vidgo they are fields of the dict ``input``.
    flat: dict[str, Any] = {}
    for name, value in request.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    seconds = _or_none(as_seconds, flat.get("output_length") or flat.get("duration"))
    aspect = _or_none(ratio, flat.get("aspect_ratio"))
    return Asked(seconds=seconds if seconds and seconds > 0 else None, aspect=aspect)


def _or_none(read: Any, value: Any) -> Any:
    try:
        return None if value is None else read(value)
    except ValueError:  # such as "auto": nothing that could be compared
        return None


def findings(measured: Measurements, limits: Limits, asked: Asked | None = None) -> list[Finding]:
    """Return what is wrong with a file; an empty list if nothing is."""
    if measured.kind == "other":
        return [Finding(check="decodes", what=f"it cannot be read as a video: {measured.fault}")]
    asked = asked or Asked()
    found = [*_whole(measured, limits, asked)]
    if measured.picture is not None:
        found += [*_shape(measured.picture, limits, asked), *_picture_findings(measured.picture, limits)]
    if measured.sound is not None:
        found += [*_sound_findings(measured.sound, limits)]
    elif limits.require_sound:
        found.append(Finding(check="require_sound", what="it has no sound"))
    return found


def _length(measured: Measurements) -> float:
    return (measured.picture or measured.sound or Sound(seconds=0.0)).seconds


def _whole(measured: Measurements, limits: Limits, asked: Asked) -> Iterator[Finding]:
    length, stated = _length(measured), measured.stated
    if limits.decodes and measured.faults.count:
        first = measured.faults.first or Stretch(0.0, 0.0)
        what = f"damaged data in {measured.faults.count} places, the first at {first.start:.2f} s"
        at = measured.faults.longest[:_NAMED]
        yield Finding(check="decodes", what=f"{what} ({measured.fault})", at=at)
    elif limits.decodes and stated and stated - length > _tolerance(stated, limits.tolerance):
        what = f"it ends at {length:.2f} s, but its header states {stated:.2f} s"
        yield Finding(check="decodes", what=what, at=(Stretch(length, stated),))
    wanted = asked.seconds if limits.seconds == "asked" else limits.seconds
    if wanted is not None and abs(length - wanted) > (allowed := _tolerance(wanted, limits.tolerance)):
        what = f"it is {length:.2f} s long instead of {wanted:g} s (give or take {allowed:.2g} s)"
        yield Finding(check="seconds", what=what)
    yield from _between("seconds", "length", length, "s", limits)
    yield from _between("bytes", "size", measured.bytes, "bytes", limits)
    picture, sound = measured.picture, measured.sound
    if picture and sound and limits.max_sound_gap is not None:
        gap = abs(picture.seconds - sound.seconds)
        if gap > limits.max_sound_gap:
            what = f"the picture is {picture.seconds:.2f} s long, and the sound {sound.seconds:.2f} s"
            missing = Stretch(*sorted((picture.seconds, sound.seconds)))
            yield Finding(check="max_sound_gap", what=what, at=(missing,))


def _tolerance(seconds: float, given: float | None) -> float:
    return given if given is not None else max(_SECONDS_TOLERANCE, _SHARE_TOLERANCE * seconds)


def _between(name: str, word: str, value: float | None, unit: str, limits: Limits) -> Iterator[Finding]:
    lowest, highest = getattr(limits, f"min_{name}", None), getattr(limits, f"max_{name}", None)
    if value is None:
        return
    shown = f"its {word} is {value:.6g} {unit}"
    if lowest is not None and value < lowest:
        yield Finding(check=f"min_{name}", what=f"{shown}, but must be at least {lowest:g}")
    if highest is not None and value > highest:
        yield Finding(check=f"max_{name}", what=f"{shown}, but may be at most {highest:g}")


def _shape(picture: Picture, limits: Limits, asked: Asked) -> Iterator[Finding]:
    width, height = picture.width, picture.height
    wanted = asked.aspect if limits.aspect == "asked" else limits.aspect
    if width and height:
        shape = width / height
        if wanted is not None and abs(shape / wanted - 1) > _ASPECT_TOLERANCE:
            what = f"it has {width} x {height} pixels ({shape:.2f}), but must have a ratio of {wanted:.2f}"
            yield Finding(check="aspect", what=what)
        yield from _between("resolution", "shorter side", min(width, height), "pixels", limits)
    # A rate of 24000/1001 counts as 24.
    rate = None if picture.fps is None else round(picture.fps * 1.001, 2)
    yield from _between("fps", "frame rate", rate, "fps", limits)


def _picture_findings(picture: Picture, limits: Limits) -> Iterator[Finding]:
    black = picture.black
    if limits.no_black_start and black.first and black.first.start <= 0:
        yield Finding(check="no_black_start", what="its first frame is black", at=(black.first,))
    for word, stretches in (("black", black), ("plain", picture.plain), ("frozen", picture.frozen)):
        yield from _stretches(word, stretches, picture.seconds, limits)
    stills = picture.stills
    if limits.must_move and stills.count == 1 and stills.seconds >= _ONE_STILL * picture.seconds:
        yield Finding(check="must_move", what="nothing in it moves", at=stills.longest)


_WORDS = {"black": "black", "plain": "of one colour", "frozen": "frozen", "silent": "silent"}


def _stretches(word: str, found: Stretches, length: float, limits: Limits) -> Iterator[Finding]:
    """Check the longest stretch, and the share of all of them."""
    longest: float | None = getattr(limits, f"max_{word}_seconds")
    share: float | None = getattr(limits, f"max_{word}_share")
    if longest is not None and (over := found.over(longest)):
        places = ", ".join(map(str, over[:_NAMED])) + (" and more" if len(over) > _NAMED else "")
        what = f"it is {_WORDS[word]} at {places}, but at most {longest:g} s at a time is allowed"
        yield Finding(check=f"max_{word}_seconds", what=what, at=over[:_NAMED])
    elif share is not None and length and found.seconds > share * length:
        what = f"{found.seconds / length:.0%} of it is {_WORDS[word]}, but at most {share:.0%} is allowed"
        yield Finding(check=f"max_{word}_share", what=what, at=found.longest[:_NAMED])


def _sound_findings(sound: Sound, limits: Limits) -> Iterator[Finding]:
    yield from _stretches("silent", sound.silent, sound.seconds, limits)
    clipped, share = sound.clipped, limits.max_clipped_share
    if share is not None and sound.seconds and clipped.seconds > share * sound.seconds:
        what = (
            f"{clipped.seconds / sound.seconds:.0%} of its sound is clipped, but at most {share:.0%} may be"
        )
        yield Finding(check="max_clipped_share", what=what, at=clipped.longest[:_NAMED])
    yield from _between("loudness", "loudness", sound.loudness, "LUFS", limits)
    yield from _between("true_peak", "true peak", sound.true_peak, "dBTP", limits)


def report(measured: Measurements, found: list[Finding]) -> dict[str, JsonValue]:
    """Return what a task says about a file: ``{passed, failed, measured}``, small enough for an XCom."""
    picture, sound = measured.picture, measured.sound
    values: dict[str, JsonValue] = {"bytes": measured.bytes, "seconds": _length(measured)}
    if picture:
        values |= {"width": picture.width, "height": picture.height, "fps": picture.fps}
        values |= {
            f"{name}_seconds": getattr(picture, name).seconds
            for name in ("black", "plain", "frozen", "stills")
        }
    if sound:
        values |= {f"{name}_seconds": getattr(sound, name).seconds for name in ("silent", "clipped")}
        values |= {
            "sound_seconds": sound.seconds,
            "loudness": sound.loudness,
            "true_peak": sound.true_peak,
        }
    return {
        "passed": not found,
        "failed": [one.model_dump(mode="json") for one in found],
        "measured": values,
    }
