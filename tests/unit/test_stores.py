"""The ledger on object storage: numbered files, of which only one try can make the next."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.errors import LedgerError
from airflow_provider_vidai.purchase.ledger import LEDGER_KEY, Entry, Ledger
from airflow_provider_vidai.purchase.patience import Patience
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.timing import LEDGER_PATIENCE_SECONDS
from airflow_provider_vidai.stores.choice import ends_with_run, lap_of, store_of
from airflow_provider_vidai.stores.memory import MemoryStore
from airflow_provider_vidai.stores.object_storage import LONGEST_NAME, ObjectStore, path_name
from airflow_provider_vidai.stores.task_state import TaskStateStore
from tests.support.shelf import shelf

NAMES = ("dag", "scheduled__2026-01-01T00:00:00+00:00", "task", "-1")


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "s3":
        with shelf() as (_, uri):
            yield f"{uri}/ledger"
    else:
        yield f"file://{tmp_path}/ledger"


def ledger(root: str, names: tuple[str, ...] = NAMES) -> Entry:
    """The first purchase of a task, as a new process sees it."""
    return Ledger(ObjectStore(root, names)).entry()


def record(**changes: Any) -> Record:
    facts = {
        "nonce": uuid.uuid4().hex,
        "phase": "intent",
        "fingerprint": "f",
        "try_number": 1,
        "max_tries": 2,
        "intended_at": 0.0,
    }
    return Record.model_validate({**facts, **changes})


def test_nothing_written_is_no_record(root: str) -> None:
    assert ledger(root).read() is None


def test_a_purchase_is_read_back_by_another_process_as_it_was_written(root: str) -> None:
    ledger(root).begin(record())
    bought = record(phase="bought", bought_at=7.0)
    ledger(root).write(bought)
    assert ledger(root).read() == bought


def test_of_two_tries_that_found_no_record_only_one_can_begin(root: str) -> None:
    late, quick = Ledger(_slow(ObjectStore(root, NAMES))).entry(), ledger(root)
    mine = record(try_number=2)
    begun = threading.Thread(target=quick.begin, args=[mine])
    late_error: list[LedgerError] = []

    def begin_late() -> None:
        try:
            late.begin(record(try_number=1))
        except LedgerError as error:
            late_error.append(error)

    slow = threading.Thread(target=begin_late)
    slow.start()
    _Slow.has_read.wait(5)
    begun.start()
    begun.join()
    _Slow.go.set()
    slow.join()
    assert len(late_error) == 1
    assert "another try of this task is buying" in str(late_error[0])
    assert quick.read() == mine


class _Slow:
    has_read = threading.Event()
    go = threading.Event()


def _slow(store: ObjectStore) -> ObjectStore:
    """A store that stops between reading the current number and making the next file."""

    class Slow(ObjectStore):
        def __init__(self) -> None:
            self.__dict__.update(store.__dict__)

        def _current(self, key: str) -> int:
            current = super()._current(key)
            _Slow.has_read.set()
            _Slow.go.wait(5)
            return current

    _Slow.has_read.clear()
    _Slow.go.clear()
    return Slow()


def test_a_try_that_decided_upon_what_another_has_changed_since_cannot_begin(root: str) -> None:
    late, quick = ledger(root), ledger(root)
    assert late.read() is None
    quick.read()
    quick.begin(record(try_number=2))
    bought = record(try_number=2, phase="bought")
    quick.write(bought)
    with pytest.raises(LedgerError):
        late.begin(record(try_number=1))
    assert ledger(root).read() == bought


def test_a_leftover_try_writes_over_no_other_tries_record(root: str) -> None:
    first, second = ledger(root), ledger(root)
    first.read()
    first.begin(record(try_number=1))
    second.read()
    theirs = record(try_number=2)
    second.begin(theirs)
    first.write(record(try_number=1, phase="bought"))
    assert ledger(root).read() == theirs
    first.write(None)
    assert ledger(root).read() == theirs


def test_a_purchase_that_is_withdrawn_leaves_its_number_used(root: str) -> None:
    first, second = ledger(root), ledger(root)
    first.read(), second.read()
    first.begin(record(try_number=1))
    first.write(None)
    assert ledger(root).read() is None
    with pytest.raises(LedgerError):
        second.begin(record(try_number=2))
    mine = record(try_number=1)
    first.begin(mine)
    assert ledger(root).read() == mine


def test_a_withdrawn_purchase_uncovers_the_one_before_it(root: str) -> None:
    entry = ledger(root)
    before = record(phase="done")
    entry.begin(record())
    entry.write(before)
    entry.begin(record(fingerprint="g"))
    entry.write(before)
    assert ledger(root).read() == before


def test_each_of_several_purchases_has_its_own_record(root: str) -> None:
    store = ObjectStore(root, NAMES)
    records = [record(fingerprint=one) for one in "abc"]
    for number, one in enumerate(records, 1):
        Ledger(store).entry(number).begin(one)
    found = [one for _, one in Ledger(ObjectStore(root, NAMES)).entries()]
    assert found == [*records, None]


class _LosesAnswers:
    """A filesystem whose writes take effect, and whose answers to them are lost."""

    def __init__(self, filesystem: Any, error: Exception, reads_fail: int = 0) -> None:
        self._filesystem, self._error, self._reads_fail = filesystem, error, reads_fail

    def __getattr__(self, name: str) -> Any:
        return getattr(self._filesystem, name)

    def pipe_file(self, *args: Any, **kwargs: Any) -> None:
        self._filesystem.pipe_file(*args, **kwargs)
        raise self._error

    def cat_file(self, path: str, **options: Any) -> bytes:
        self._reads_fail -= 1
        if self._reads_fail >= 0:
            raise OSError("not now")
        return self._filesystem.cat_file(path, **options)


@pytest.mark.parametrize("reads_fail", [0, 2])
@pytest.mark.parametrize("error", [OSError("reset"), FileExistsError("412: it is there already")])
def test_an_intent_whose_answer_was_lost_is_this_trys_own(error: Exception, reads_fail: int) -> None:
    with shelf() as (_, uri):
        store = ObjectStore(f"{uri}/ledger", NAMES)
        store._fs = _LosesAnswers(store._fs, error, reads_fail)
        mine = record()
        Ledger(store, patience()).entry().begin(mine)
        assert ledger(f"{uri}/ledger").read() == mine


@pytest.mark.parametrize("error", [OSError("reset"), FileExistsError("412: it is there already")])
def test_an_intent_that_could_not_be_confirmed_in_time_is_removed_so_that_the_next_try_buys(
    error: Exception,
) -> None:
    with shelf() as (_, uri):
        before = record(phase="done")
        ledger(f"{uri}/ledger").begin(before)
        store = ObjectStore(f"{uri}/ledger", NAMES)
        entry = Ledger(store).entry()
        assert entry.read() == before
        store._fs = _LosesAnswers(store._fs, error, 1)
        with pytest.raises(LedgerError, match="could not be written"):
            entry.begin(record(try_number=2))
        assert ledger(f"{uri}/ledger").read() == before


def test_an_intent_that_arrives_after_its_try_has_given_up_has_no_effect() -> None:
    with shelf() as (_, uri):
        store = ObjectStore(f"{uri}/ledger", NAMES)
        entry = Ledger(store).entry()
        entry.read()
        on_its_way: list[Any] = []
        store._fs = _TimesOut(store._fs, on_its_way)
        with pytest.raises(LedgerError):
            entry.begin(record())
        (arrive,) = on_its_way
        with pytest.raises(FileExistsError):
            arrive()
        assert ledger(f"{uri}/ledger").read() is None


def test_what_another_try_has_written_is_not_removed() -> None:
    with shelf() as (_, uri):
        store, theirs = ObjectStore(f"{uri}/ledger", NAMES), record(try_number=2)
        store.get(LEDGER_KEY)
        ledger(f"{uri}/ledger").begin(theirs)
        store.retract(LEDGER_KEY, record().model_dump(mode="json"))
        assert ledger(f"{uri}/ledger").read() == theirs


class _TimesOut:
    """A filesystem on which the first write times out, and arrives when a test lets it."""

    def __init__(self, filesystem: Any, on_its_way: list[Any]) -> None:
        self._filesystem, self._on_its_way = filesystem, on_its_way

    def __getattr__(self, name: str) -> Any:
        return getattr(self._filesystem, name)

    def pipe_file(self, *args: Any, **kwargs: Any) -> None:
        if not self._on_its_way:
            self._on_its_way.append(lambda: self._filesystem.pipe_file(*args, **kwargs))
            raise TimeoutError
        self._filesystem.pipe_file(*args, **kwargs)


class _Away:
    """A store of which some calls fail."""

    def __init__(self, error: Exception, times: int) -> None:
        self.store, self.error, self.times = MemoryStore(), error, times
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) <= self.times:
                raise self.error
            return getattr(self.store, name)(*args)

        return call


class _Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def warning(self, msg: str, /, *args: Any) -> None:
        self.lines.append(msg % args)

    info = error = warning


def patience(clock: _Clock | None = None, **options: Any) -> Patience:
    clock = clock or _Clock()
    return Patience(clock, **{"until": 1e9, "clock": lambda: clock.now, "sleep": clock.sleep, **options})


def test_reading_and_beginning_wait_while_the_storage_is_away_and_the_log_says_so() -> None:
    for call in (lambda entry: entry.read(), lambda entry: entry.begin(record())):
        clock, away = _Clock(), _Away(OSError("503: slow down"), 5)
        call(Ledger(away, patience(clock)).entry())
        assert clock.now - 1000 == 1 + 2 + 4 + 8 + 15
        assert clock.lines[0] == "The ledger's storage fails: 503: slow down. Trying again in 1 s."


def test_the_waiting_for_the_storage_is_bounded_and_ends_before_the_deadline() -> None:
    for until, longest in ((1e9, LEDGER_PATIENCE_SECONDS), (1020.0, 20.0)):
        clock, away = _Clock(), _Away(OSError("503"), 99)
        with pytest.raises(LedgerError, match="could not be read: 503"):
            Ledger(away, patience(clock, until=until)).entry().read()
        assert longest / 2 < clock.now - 1000 <= longest


@pytest.mark.parametrize("error", [PermissionError("403"), FileNotFoundError("no bucket"), ValueError("{")])
def test_what_time_does_not_change_is_not_waited_for(error: Exception) -> None:
    clock, away = _Clock(), _Away(error, 99)
    with pytest.raises(LedgerError):
        Ledger(away, patience(clock)).entry().read()
    assert away.calls == ["get"]


def test_a_task_that_is_asked_to_stop_does_not_wait_for_the_storage() -> None:
    clock, away = _Clock(), _Away(OSError("503"), 99)
    with pytest.raises(LedgerError):
        Ledger(away, patience(clock, stopped=lambda: clock.now >= 1002)).entry().read()
    assert clock.now == 1002


def test_a_rivals_intent_is_not_taken_for_an_own_one_whose_answer_was_lost() -> None:
    with shelf() as (_, uri):
        late, quick = ObjectStore(f"{uri}/ledger", NAMES), ledger(f"{uri}/ledger")
        Ledger(late).entry().read()
        quick.begin(record(try_number=2))
        with pytest.raises(LedgerError, match="another try of this task is buying"):
            Ledger(late).entry().begin(record())


@pytest.mark.parametrize(
    "other",
    [
        ("dag", "scheduled__2026-01-01T00:00:00+00:00", "task", "0"),
        ("dag", "scheduled__2026-01-01T00:00:00+00:00", "task.b", "-1"),
        ("dag", "manual/../x", "task", "-1"),
        ("other", "scheduled__2026-01-01T00:00:00+00:00", "task", "-1"),
        (*NAMES, "5f0c.2"),
    ],
)
def test_tasks_runs_map_indexes_and_laps_never_share_a_record(root: str, other: tuple[str, ...]) -> None:
    ledger(root).begin(record())
    assert ledger(root, other).read() is None


@pytest.mark.parametrize(
    "name", [".", "..", "...", "a/../../b", "x" * 250, "é" * 250, "run:" * 60, "a%2Eb", "a=b", "~", " ", "\\"]
)
def test_every_id_that_airflow_allows_has_a_place_of_its_own_below_the_root(
    tmp_path: Path, name: str
) -> None:
    others = ["%2E", "%2E%2E", "x" * 249, path_name("x" * 300), "é" * 249, name + ".", name.upper() + "_"]
    entry = ledger(str(tmp_path / "ledger"), (name, name, name, "-1"))
    mine = record()
    entry.begin(mine)
    assert ledger(str(tmp_path / "ledger"), (name, name, name, "-1")).read() == mine
    assert len(path_name(name).encode()) <= LONGEST_NAME
    assert {path_name(name)}.isdisjoint(path_name(other) for other in others if other != name)
    assert [path for path in tmp_path.rglob("*.json") if not path.is_relative_to(tmp_path / "ledger")] == []


def test_each_lap_of_a_loop_has_its_own_name_and_other_tasks_have_none() -> None:
    class Instance:
        region_id: Any = None
        region_index: Any = None

    outside, older, lap = Instance(), object(), Instance()
    outside.region_id, outside.region_index = uuid.UUID(int=0), -1
    lap.region_id, lap.region_index = uuid.UUID(int=7), 3
    assert lap_of(outside) == lap_of(older) == ()
    assert lap_of(lap) == (f"{uuid.UUID(int=7)}.3",)


@pytest.mark.parametrize(
    ("path", "states", "store", "ends"),
    [
        ("somewhere", None, ObjectStore, False),
        ("somewhere", object(), ObjectStore, False),
        ("", object(), TaskStateStore, True),
        ("", None, MemoryStore, True),
    ],
)
def test_the_ledger_path_comes_before_airflows_own_store_and_a_task_without_either_is_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, states: Any, store: type, ends: bool
) -> None:
    class Instance:
        dag_id, run_id, task_id, map_index = "dag", "run", "task", -1

    class Log:
        def warning(self, msg: str, *args: Any) -> None:
            lines.append(msg % args)

    lines: list[str] = []
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", f"{tmp_path}/{path}" if path else "")
    context: Any = {"ti": Instance(), "task_state_store": states}
    log: Any = Log()
    assert type(store_of(context, log)) is store
    assert ends_with_run(context) is ends
    assert [line[:17] for line in lines] == (["Nothing remembers"] if store is MemoryStore else [])


def test_a_record_that_cannot_be_read_is_not_taken_for_none(root: str) -> None:
    store = ObjectStore(root, NAMES)
    store.add(LEDGER_KEY, {"phase": "intent"})
    with pytest.raises(LedgerError, match="cannot be understood"):
        Ledger(store).entry().read()


def test_a_record_cut_short_is_not_taken_for_none(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), NAMES)
    store.add(LEDGER_KEY, record().model_dump(mode="json"))
    (file,) = tmp_path.rglob("*.json")
    file.write_text(file.read_text()[:20])
    with pytest.raises(LedgerError, match="could not be read"):
        Ledger(store).entry().read()


def test_a_failed_write_leaves_no_half_of_a_record(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), NAMES)
    with pytest.raises(TypeError):
        store.add(LEDGER_KEY, {"not json": object()})  # type: ignore[dict-item]
    assert list(tmp_path.rglob("*.json")) == []
    assert list(tmp_path.rglob("*.part")) == []
