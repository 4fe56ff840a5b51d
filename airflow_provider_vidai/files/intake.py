"""Files for a vendor are checked by their bytes before anything is sent.

Vendors charge for a job whose input turns out to be a login page, half a video or a sound.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.ending import is_whole
from airflow_provider_vidai.files.probe import UNREADABLE_PICTURES, Media, probe
from airflow_provider_vidai.files.storage import Source, shown_name
from airflow_provider_vidai.jobs.media_types import (
    HEAD,
    described,
    recognized,
    same_container,
    type_as_sound,
    type_of_name,
)

log = logging.getLogger(__name__)

_ANY: Final = ("video", "image", "audio")
_ARTICLE: Final = {"video": "a video", "image": "an image", "audio": "a sound"}


@dataclass(frozen=True)
class Checked:
    """A file that may be sent.

    :param type: the MIME type that its bytes show.
    """

    type: str
    media: Media


def kinds_for(field: str) -> Sequence[str]:
    """Return the kinds of file that a field takes, by the field's name; empty for a field of documents."""
    if "document" in field:
        return ()
    return tuple(kind for kind in _ANY if kind in field) or _ANY


def checked(
    file: IO[bytes], size: int, *, field: str, name: str, kinds: Sequence[str] | None = None
) -> Checked:
    """Make sure that a file is whole, and of a kind that ``field`` takes.

    :param field: the argument that the file was given for.
    :param name: the file's name; an extension that promises another type is only warned of.
    :param kinds: the kinds that are accepted; None reads them from the field's name.
    :raises InputError: naming field and file.
    """
    wanted = kinds_for(field) if kinds is None else kinds
    called = f"{field}: {shown_name(name)}" if field else shown_name(name)
    head = file.read(HEAD)
    row = recognized(head)
    if row is None or row.kind not in _ANY:
        raise InputError(f"{called} is {described(head)}, not {_listed(wanted)}.")
    found = row.name
    if is_whole(file, size) is False:
        raise InputError(f"{called} was cut: the file ends within one of its parts.")
    # By its structure the file is whole. Whether it can be decoded is another question.
    file.seek(0)
    try:
        media = probe(file)
    except ValueError as error:
        raise InputError(f"{called} cannot be read as media: {error}.") from None
    _check_kind(media, found, wanted, called)
    if media.kind != "image" and media.duration is not None and media.duration <= 0:
        raise InputError(f"{called} lasts 0 seconds.")
    _warn_of_name(found, name, called)
    return Checked(type_as_sound(found) if media.kind == "audio" else found, media)


def checked_source(file: Source, *, field: str, kinds: Sequence[str] | None = None) -> Checked:
    """Make sure that a stored file is whole, and of a kind that ``field`` takes; see :func:`checked`."""
    with file.open() as stream:
        return checked(stream, file.size, field=field, name=str(file.path), kinds=kinds)


def _check_kind(media: Media, found: str, wanted: Sequence[str], called: str) -> None:
    if media.kind in wanted or (found in UNREADABLE_PICTURES and "image" in wanted):
        return
    # A video format with nothing but sound in it gets a message of its own, because its type says "video".
    if media.kind == "audio" and not found.startswith("audio/"):
        raise InputError(f"{called} holds no picture, only sound ({found}), and {_listed(wanted)} is needed.")
    raise InputError(f"{called} is {_ARTICLE[media.kind]} ({found}), and {_listed(wanted)} is needed.")


def _warn_of_name(found: str, name: str, called: str) -> None:
    promised = type_of_name(name)
    if promised and not same_container(promised, found):
        log.warning(
            "%s is named as %s, but its bytes are %s; it is sent as what it is.", called, promised, found
        )


def _listed(kinds: Sequence[str]) -> str:
    return " or ".join(_ARTICLE[kind] for kind in kinds or _ANY)
