"""The ledger on object storage: numbered files, of which only one try can make the next."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.errors import LedgerError
from airflow_provider_vidai.lifecycle.ledger import LEDGER_KEY, Ledger, Record
from airflow_provider_vidai.operators.stores import ObjectStore
from tests.support.shelf import shelf

NAMES = ("dag", "scheduled__2026-01-01T00:00:00+00:00", "task", "-1")


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "s3":
        with shelf() as (_, uri):
            yield f"{uri}/ledger"
    else:
        yield f"file://{tmp_path}/ledger"


def record(**changes: Any) -> Record:
    facts = {"phase": "intent", "fingerprint": "f", "try_number": 1, "max_tries": 2, "intended_at": 0.0}
    return Record.model_validate({**facts, **changes})


def test_nothing_written_is_no_record(root: str) -> None:
    assert Ledger(ObjectStore(root, NAMES)).read() is None


def test_a_purchase_is_read_back_by_another_process_as_it_was_written(root: str) -> None:
    Ledger(ObjectStore(root, NAMES)).begin(record())
    Ledger(ObjectStore(root, NAMES)).write(record(phase="bought", bought_at=7.0))
    assert Ledger(ObjectStore(root, NAMES)).read() == record(phase="bought", bought_at=7.0)


def test_of_two_tries_that_found_no_record_only_one_can_begin(root: str) -> None:
    late, quick = Ledger(_slow(ObjectStore(root, NAMES))), Ledger(ObjectStore(root, NAMES))
    begun = threading.Thread(target=quick.begin, args=[record(try_number=2)])
    late_error: list[LedgerError] = []

    def begin_late() -> None:
        try:
            late.begin(record(try_number=1))
        except LedgerError as error:
            late_error.append(error)

    slow = threading.Thread(target=begin_late)
    slow.start()
    _Slow.looked.wait(5)
    begun.start()
    begun.join()
    _Slow.go.set()
    slow.join()
    assert len(late_error) == 1
    assert quick.read() == record(try_number=2)


class _Slow:
    looked = threading.Event()
    go = threading.Event()


def _slow(store: ObjectStore) -> ObjectStore:
    """A store that stops between looking for the current number and making the next file."""

    class Slow(ObjectStore):
        def __init__(self) -> None:
            self.__dict__.update(store.__dict__)

        def _current(self, key: str) -> int:
            current = super()._current(key)
            _Slow.looked.set()
            _Slow.go.wait(5)
            return current

    _Slow.looked.clear()
    _Slow.go.clear()
    return Slow()


def test_a_try_that_decided_upon_what_another_has_changed_since_cannot_begin(root: str) -> None:
    late, quick = Ledger(ObjectStore(root, NAMES)), Ledger(ObjectStore(root, NAMES))
    assert late.read() is None
    quick.read()
    quick.begin(record(try_number=2))
    quick.write(record(try_number=2, phase="bought"))
    with pytest.raises(LedgerError):
        late.begin(record(try_number=1))
    assert Ledger(ObjectStore(root, NAMES)).read() == record(try_number=2, phase="bought")


def test_a_try_that_is_left_over_writes_over_no_other_tries_record(root: str) -> None:
    first, second = Ledger(ObjectStore(root, NAMES)), Ledger(ObjectStore(root, NAMES))
    first.read()
    first.begin(record(try_number=1))
    second.read()
    second.begin(record(try_number=2))
    first.write(record(try_number=1, phase="bought"))
    assert Ledger(ObjectStore(root, NAMES)).read() == record(try_number=2)
    first.withdraw()
    assert Ledger(ObjectStore(root, NAMES)).read() == record(try_number=2)


def test_a_record_that_is_forgotten_hides_all_before_it_and_is_forgotten_once(root: str) -> None:
    first, second = Ledger(ObjectStore(root, NAMES)), Ledger(ObjectStore(root, NAMES))
    for number in (1, 3):
        first.read()
        first.begin(record(try_number=number))
    held = Ledger(ObjectStore(root, NAMES))
    held.read()
    second.read()
    second.forget()
    assert Ledger(ObjectStore(root, NAMES)).read() is None
    second.begin(record(try_number=2))
    with pytest.raises(LedgerError):
        held.forget()
    with pytest.raises(LedgerError):
        held.begin(record(try_number=1))
    second.withdraw()
    assert Ledger(ObjectStore(root, NAMES)).read() is None


def test_a_withdrawn_purchase_uncovers_the_one_before_it(root: str) -> None:
    ledger = Ledger(ObjectStore(root, NAMES))
    ledger.begin(record())
    ledger.write(record(phase="done"))
    ledger.begin(record(fingerprint="g"))
    ledger.withdraw()
    assert ledger.read() == record(phase="done")
    ledger.withdraw()
    assert ledger.read() is None


@pytest.mark.parametrize(
    "other",
    [
        ("dag", "scheduled__2026-01-01T00:00:00+00:00", "task", "0"),
        ("dag", "scheduled__2026-01-01T00:00:00+00:00", "task.b", "-1"),
        ("dag", "manual/../x", "task", "-1"),
        ("other", "scheduled__2026-01-01T00:00:00+00:00", "task", "-1"),
    ],
)
def test_tasks_runs_and_map_indexes_never_share_a_record(root: str, other: tuple[str, ...]) -> None:
    Ledger(ObjectStore(root, NAMES)).begin(record())
    assert Ledger(ObjectStore(root, other)).read() is None


def test_a_record_that_cannot_be_read_is_not_taken_for_none(root: str) -> None:
    store = ObjectStore(root, NAMES)
    store.add(LEDGER_KEY, {"phase": "intent"})
    with pytest.raises(LedgerError, match="cannot be understood"):
        Ledger(store).read()


def test_a_record_cut_short_is_not_taken_for_none(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), NAMES)
    store.add(LEDGER_KEY, record().model_dump(mode="json"))
    (file,) = tmp_path.rglob("*.json")
    file.write_text(file.read_text()[:20])
    with pytest.raises(LedgerError, match="could not be read"):
        Ledger(store).read()


def test_a_failed_write_leaves_no_half_of_a_record(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), NAMES)
    with pytest.raises(TypeError):
        store.add(LEDGER_KEY, {"not json": object()})  # type: ignore[dict-item]
    assert list(tmp_path.rglob("*.json")) == []
    assert list(tmp_path.rglob("*.part")) == []
