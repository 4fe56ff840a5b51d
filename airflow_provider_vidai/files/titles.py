"""File names made from titles. Titles come from vendors, in every script, and must not choose a path."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

#: Bytes that are kept of the end of a long title, because a job's id and a file's number are there.
KEPT_END = 48
#: The most combining marks on one letter. No script needs more, and a letter must fit into ``KEPT_END`` bytes
#: with all of its marks.
_MOST_MARKS = 8
#: Invisible characters that join or separate letters in Persian, Hindi and other scripts. Elsewhere they are
#: dropped.
_JOINERS = "\u200c\u200d"


def file_name(title: str, limit: int = 200) -> str:
    """Return a title as a file name of letters with their marks, digits, ``-``, ``_`` and blanks.

    :param limit: bytes, which is what file systems count. A longer title loses whole characters of its
        middle.
    """
    letters = list(_letters(unicodedata.normalize("NFC", title)))
    if sum(map(_size, letters)) > limit:
        end = _fitting(reversed(letters), KEPT_END)[::-1]
        letters = [*_fitting(letters, limit - KEPT_END), *end]
    return "".join(letters).strip(" _") or "file"


def _letters(text: str) -> Iterator[str]:
    """Yield the characters as a reader counts them; a row of unsafe ones becomes one ``_``."""
    held, marks, replaced = "", 0, False
    for char in text:
        kind = unicodedata.category(char)
        if held.strip("-_ ") and (char in _JOINERS or kind.startswith("M")):
            # A mark belongs to the letter in front of it, and is never separated from it.
            marks += 1
            held += char if marks <= _MOST_MARKS else ""
        elif kind.startswith(("L", "N")) or char in "-_ ":
            # A joiner has a meaning only between letters.
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
