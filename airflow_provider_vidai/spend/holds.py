"""The sum of one budget: a folder of numbered files, each of which holds an amount for one purchase.

A hold is created under the next number, exclusively, by a writer that has read all holds before it. If
somebody was faster, it reads again. So every hold was added in the knowledge of all earlier ones, and their
sum never exceeds the limit, whoever is killed when. Only the task that created a hold changes it afterwards.

A worker can be killed after it created its hold and before it wrote its intent. The next try of the task
finds that hold, and cannot know whether the other worker is dead: it may still write its intent. So it
creates a hold that *takes* the other one, which then counts no more. Only one of the two can write its
intent. The other one releases its own hold, and the one that bought releases both when its purchase turns out
to cost nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from airflow_provider_vidai.spend.files import Files

#: Seconds after which a writer that others overtake tries again, at most.
_PAUSE = 0.2


class Hold(BaseModel):
    """An amount that is held for one purchase.

    :param id: of the purchase.
    :param task: of the task instance that buys.
    :param state: ``held`` before its outcome is known, ``unknown`` where nobody knows it, ``bought``,
        ``settled`` when the job has ended, ``released`` when it cost nothing.
    :param takes: the number of the hold of an earlier try that this one takes the place of.
    :param base: the holds up to this number will not change any more.
    :param before: the sum of them.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    task: tuple[str, ...]
    amount: Decimal
    state: Literal["held", "unknown", "bought", "settled", "released"] = "held"
    at: float
    takes: int | None = None
    base: int = 0
    before: Decimal = Decimal(0)


class Sum(NamedTuple):
    """All holds of a budget.

    :param holds: by number, without those up to the newest one's ``base``.
    :param total: what is spent or held.
    """

    holds: Mapping[int, Hold]
    base: int
    before: Decimal
    total: Decimal

    @property
    def next(self) -> int:
        """The number of the next hold."""
        return max(self.holds, default=self.base) + 1


class Holds:
    """The holds of one budget.

    :param files: its folder.
    """

    def __init__(
        self,
        files: Files,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._files = files
        self._clock, self._wait = clock, sleep

    def hold(
        self,
        purchase: str,
        task: tuple[str, ...],
        amount: Decimal,
        limit: Decimal,
        unsent: Callable[[str], bool],
    ) -> tuple[int | None, Sum]:
        """Hold an amount if it fits; return its number, or None, and the sum before it.

        :param unsent: whether a purchase of this task certainly has no intent on record.
        :raises Exception: whatever the storage raises; nothing is held then, or what is held belongs to a
            purchase that never begins, and this task's next try takes it.
        """
        while True:
            found = self.read()
            taken = self._takes(found, task, unsent)
            spent = found.total - (found.holds[taken].amount if taken else Decimal(0))
            if spent + amount > limit:
                return None, found
            new = Hold(
                id=purchase,
                task=task,
                amount=amount,
                at=self._clock(),
                takes=taken,
                base=found.base,
                before=found.before,
            )
            try:
                self._files.create(_name(found.next), new.model_dump(mode="json"))
            except FileExistsError:
                self._wait(random.uniform(0, _PAUSE))  # noqa: S311 - so that writers do not stay in step
                continue
            return found.next, found._replace(total=spent)

    def change(self, number: int, purchase: str, *, only: Sequence[str] = (), **changes: Any) -> None:
        """Change a hold, unless it is another purchase's.

        :param only: the states in which it is changed; empty means all.
        """
        value = self._files.read(_name(number))
        hold = None if value is None else Hold.model_validate(value)
        if hold is None or hold.id != purchase or (only and hold.state not in only):
            return
        new = hold.model_copy(update=changes)
        if new != hold:
            self._files.replace(_name(number), new.model_dump(mode="json"))

    def release(self, number: int, purchase: str, *, begun: bool) -> None:
        """Release a hold: its purchase costs nothing.

        :param begun: whether its intent was written. Then no earlier try can write its own any more, so the
            hold that this one took is released too.
        """
        value = self._files.read(_name(number))
        hold = None if value is None else Hold.model_validate(value)
        if hold is None or hold.id != purchase:
            return
        if begun and hold.takes is not None:
            taken = Hold.model_validate(self._files.read(_name(hold.takes)))
            self.release(hold.takes, taken.id, begun=True)
        self.change(number, purchase, state="released", amount=Decimal(0))

    def read(self) -> Sum:
        """Return all holds."""
        names = self._files.names()
        if not names:
            return Sum({}, 0, Decimal(0), Decimal(0))
        last = int(names[-1].partition(".")[0])
        # The newest hold states the sum of all that are final, so a busy budget is read in a few files.
        newest = self._read(last)
        holds = {number: self._read(number) for number in range(newest.base + 1, last)}
        holds[last] = newest
        # A hold that was taken counts no more, unless the one that took it was released again.
        taken = {hold.takes: hold for hold in holds.values() if hold.takes and hold.state != "released"}
        counted = {number: hold for number, hold in holds.items() if number not in taken}
        total = newest.before + sum((hold.amount for hold in counted.values()), Decimal(0))
        base, before = newest.base, newest.before
        while base + 1 < last and _is_final(holds[base + 1], taken.get(base + 1)):
            base += 1
            before += holds[base].amount if base in counted else Decimal(0)
        return Sum(holds, base, before, total)

    def _read(self, number: int) -> Hold:
        return Hold.model_validate(self._files.read(_name(number)))

    @staticmethod
    def _takes(found: Sum, task: tuple[str, ...], unsent: Callable[[str], bool]) -> int | None:
        """Return the hold of a try of this task that was ended before it sent anything."""
        taken = {hold.takes for hold in found.holds.values() if hold.state != "released"}
        for number, hold in sorted(found.holds.items()):
            if hold.task == task and hold.state == "held" and number not in taken and unsent(hold.id):
                return number
        return None


def _is_final(hold: Hold, taker: Hold | None) -> bool:
    """Whether a hold will not change any more."""
    if taker is not None:
        # The taker has bought, so the other one can't.
        return taker.state in ("bought", "settled", "unknown")
    return hold.state in ("settled", "released")


def _name(number: int) -> str:
    return f"{number:09}.json"


def task_of(names: Sequence[Any]) -> tuple[str, ...]:
    """Return a task instance's names as a hold keeps them."""
    return tuple(map(str, names))
