"""Every text that the package's errors can have, read from its source.

``…`` stands for the parts that vary at run time. A text is found where an error is made, whether the error is
raised there or returned. If the text is built from local names of the same function, those are followed.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import airflow_provider_vidai
from airflow_provider_vidai import errors
from airflow_provider_vidai.errors import InputError

PACKAGE = Path(airflow_provider_vidai.__file__).parent
GAP = "…"
_GAPS = re.compile(r"…[….]*…")
#: A class whose name ends with one of these is an error that a person may read.
_ERRORS = ("Error", "Failed", "Gone", "TimedOut", "LostSubmit", "LeaseOver", "RateWait")
#: These report a fault in the code itself, never in a request or at a vendor.
_INTERNAL = {"AssertionError", "NotImplementedError", "TypeError", "KeyError", "IsADirectoryError"}
#: A text with fewer letters is only what varies, such as the vendor's own text, and is not listed.
_FEWEST_LETTERS = 8
_MOST_VARIANTS = 8
_FATE: str = inspect.signature(InputError).parameters["fate"].default


@dataclass(frozen=True, order=True)
class ErrorText:
    """One text of an error.

    :param module: where the error is made, relative to the package.
    :param kind: the error's class.
    """

    module: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.kind}: {self.text}"


def error_texts(package: Path = PACKAGE) -> list[ErrorText]:
    """Return all texts of the package's errors, in the order of the source."""
    found: dict[ErrorText, None] = {}
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").as_posix()
        if not module.startswith("sandbox/"):
            found.update(dict.fromkeys(_texts_of(path, module)))
    return list(found)


def _texts_of(path: Path, module: str) -> Iterator[ErrorText]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        names = _assigned(function)
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.args]
        for call in sorted(calls, key=lambda call: call.lineno):
            if kind := _error_class(call.func):
                fate = _fate(kind, call)
                for what, todo in itertools.product(_variants(call.args[0], names), _todos(call, names)):
                    if _letters(what) >= _FEWEST_LETTERS:
                        text = " ".join([*what.split(), *todo.split(), fate]).rstrip()
                        yield ErrorText(module, kind, _GAPS.sub(GAP, text))


def _todos(call: ast.Call, names: dict[str, list[ast.expr]]) -> list[str]:
    """Return what an error may add to its text about what to do."""
    given = [word.value for word in call.keywords if word.arg == "todo"]
    return _variants(given[0], names) if given else [""]


def _fate(kind: str, call: ast.Call) -> str:
    """Return what an InputError adds to its text about the request and the money."""
    if not issubclass(getattr(errors, kind, object), InputError):
        return ""
    given = [word.value for word in call.keywords if word.arg == "fate"]
    if not given:
        return _FATE
    return str(given[0].value) if isinstance(given[0], ast.Constant) else GAP


def _error_class(function: ast.expr) -> str:
    if isinstance(function, ast.IfExp):  # one of two classes
        return _error_class(function.body)
    name = ast.unparse(function).rpartition(".")[2]
    return name if name.endswith(_ERRORS) and name not in _INTERNAL and name[:1].isupper() else ""


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.setdefault(node.targets[0].id, []).append(node.value)
    return names


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


def _variants(node: ast.expr, names: dict[str, list[ast.expr]], depth: int = 0) -> list[str]:
    """Return the texts that an expression can have."""
    if depth > 6:
        return [GAP]
    deeper = depth + 1
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return _joined([_part(value, names, deeper) for value in node.values])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([_variants(side, names, deeper) for side in (node.left, node.right)])
    if isinstance(node, ast.IfExp):
        return [*_variants(node.body, names, deeper), *_variants(node.orelse, names, deeper)]
    if isinstance(node, ast.Name) and node.id in names:
        return [text for value in names[node.id] for text in _variants(value, names, deeper)]
    return [GAP]


def _part(value: ast.expr, names: dict[str, list[ast.expr]], depth: int) -> list[str]:
    if not isinstance(value, ast.FormattedValue):
        return _variants(value, names, depth)
    inner = value.value
    # A name may stand for a text that was built before. Anything else is known only at run time.
    return _variants(inner, names, depth) if isinstance(inner, (ast.Name, ast.IfExp)) else [GAP]


def _joined(parts: Iterable[list[str]]) -> list[str]:
    combined = itertools.product(*([text or "" for text in part] for part in parts))
    return ["".join(one) for one in itertools.islice(combined, _MOST_VARIANTS)]
