"""File names made from titles: titles come from vendors, in every script, and are only data."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

#: Bytes of a long title's end that stay in its file's name: a job's id and a file's number are there.
KEPT_END = 48
#: No script puts more marks on a letter; a letter has to fit into ``KEPT_END`` bytes with all of them.
_MOST_MARKS = 8
#: Join or part letters in Persian, Hindi and others; between anything else they are dropped.
_JOINERS = "\u200c\u200d"


def file_name(title: str, limit: int = 200) -> str:
    """Return what is safe of a title as a file name: letters with their marks, digits, ``-``, ``_``, blanks.

    :param limit: bytes, as disks count; a longer title loses its middle, cut between characters.
    """
    letters = list(_letters(unicodedata.normalize("NFC", title)))
    if sum(map(_size, letters)) > limit:
        end = _fitting(reversed(letters), KEPT_END)[::-1]
        letters = [*_fitting(letters, limit - KEPT_END), *end]
    return "".join(letters).strip(" _") or "file"


def _letters(text: str) -> Iterator[str]:
    """Yield the characters as a reader counts them; what is not safe becomes one ``_``."""
    held, marks, replaced = "", 0, False
    for char in text:
        kind = unicodedata.category(char)
        if held.strip("-_ ") and (char in _JOINERS or kind.startswith("M")):
            # Marks belong to the letter in front of them, and never stand alone.
            marks += 1
            held += char if marks <= _MOST_MARKS else ""
        elif kind.startswith(("L", "N")) or char in "-_ ":
            # A joiner has its meaning only between letters.
            yield from (held,) if kind.startswith("L") else (held.rstrip(_JOINERS),)
            held, marks, replaced = char, 0, False
        elif kind not in ("Cf", "Mn", "Me", "Mc", "Sk"):
            yield held.rstrip(_JOINERS)
            held = ""
            if not replaced:
                yield "_"
            replaced = True
    yield held.rstrip(_JOINERS)


def _fitting(letters: Iterable[str], room: int) -> list[str]:
    kept = []
    for letter in letters:
        room -= _size(letter)
        if room < 0:
            break
        kept.append(letter)
    return kept


def _size(letter: str) -> int:
    return len(letter.encode())
