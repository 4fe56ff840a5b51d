"""The items of a batch: how each one stands, and by what it is found again in the next try."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.errors import FREE, Charged
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.stores.object_storage import path_name

#: Hexadecimal digits of a fingerprint that identify an item without an id.
_DIGITS = 32

#: ``open``: to be bought, if nothing on record says otherwise. ``waiting``: its job runs. ``ready``: its job
#: has ended well. ``failed``: this try is done with it.
State = Literal["open", "waiting", "ready", "landed", "failed"]


class Failure(BaseModel):
    """Why an item failed, in the same form as for any failed task.

    :param retryable: whether the next try of the task can do something useful about it.
    """

    model_config = ConfigDict(extra="ignore")

    what: str
    cost: str = ""
    todo: str = ""
    charged: Charged = "maybe"
    retryable: bool = False


class Earlier(BaseModel):
    """A purchase of an item that another one has replaced.

    :param job_id: None where its outcome is unknown.
    :param cost: what it cost, where that is known.
    """

    job_id: str | None
    charged: Charged
    cost: dict[str, JsonValue] | None = None


class Item(BaseModel):
    """One request of a batch. It is stored as it is here, without its arguments.

    :param key: identifies the item among those of its task: by its id, or by its request and how many equal
        ones come before it.
    :param number: its place among the requests, from 1; 0 for one that is no longer among them.
    :param place: the same for a person.
    :param differs: whether what was bought is another request: it was edited since.
    :param bought_at: seconds since the epoch.
    :param media: its files as the pages show them; kept for the first few items only.
    :param lost: identifies a purchase of unknown outcome, if that is the one that counts now.
    :param earlier: its purchases before the one that counts now.
    :param left_out: whether this try does not buy it: a person asked for the failed items only.
    :param troubles: how often in a row buying it failed for a reason that may pass.
    """

    model_config = ConfigDict(extra="ignore")

    key: str
    number: int = 0
    place: str = ""
    id: str | None = None
    differs: bool = False
    state: State = "open"
    ref: JobRef | None = None
    bought_at: float | None = None
    cost: dict[str, JsonValue] | None = None
    files: list[JsonValue] = []
    media: list[JsonValue] = []
    failure: Failure | None = None
    lost: str | None = None
    earlier: list[Earlier] = []
    left_out: bool = False
    troubles: int = 0

    @property
    def name(self) -> str:
        """What a person calls the item."""
        return self.place if self.id is None else f"{self.place} ({self.id})"

    @property
    def charged(self) -> Charged:
        """What is known about the charge for the purchase that counts now."""
        if self.lost is not None:
            return "maybe"
        return self.failure.charged if self.failure else ("yes" if self.ref else "no")

    def fails(self, failure: Failure) -> None:
        """Note that this try is done with the item."""
        self.state, self.failure = "failed", failure

    def bought(self, record: Record, ref: JobRef, *, ready: bool = False) -> None:
        """Note the purchase that counts now."""
        assert record.receipt is not None
        if self.lost not in (None, record.nonce):
            self.earlier.append(Earlier(job_id=None, charged="maybe"))
        if self.ref is not None and self.ref.job_id != ref.job_id:
            self._replaced(self.ref)
        self.lost = None
        self.ref, self.bought_at = ref, record.bought_at
        self.failure, self.files, self.media, self.troubles = None, [], [], 0
        self.cost = record.receipt.known_cost
        self.state = "ready" if ready else "waiting"

    def loses(self, record: Record) -> None:
        """Note that the purchase which counts now is one of unknown outcome."""
        if self.lost not in (None, record.nonce):
            self.earlier.append(Earlier(job_id=None, charged="maybe"))
        if self.ref is not None:
            self._replaced(self.ref)
        self.lost, self.ref, self.bought_at, self.cost = record.nonce, None, None, None
        self.files, self.media = [], []

    def _replaced(self, ref: JobRef) -> None:
        charged = self.failure.charged if self.failure else "yes"
        self.earlier.append(Earlier(job_id=ref.job_id, charged=charged, cost=self.cost))

    def line(self) -> dict[str, JsonValue]:
        """Return the item's line of the manifest."""
        failure = self.failure
        # Readers of a manifest need not tell a job that runs from one whose files are not landed yet.
        states = {"open": "not_bought", "waiting": "running", "ready": "running"}
        found: dict[str, Any] = {
            "request": self.number or None,
            "id": self.id,
            "key": self.key,
            "state": states.get(self.state, self.state),
            "removed": not self.number,
            "job": None if self.ref is None else self.ref.model_dump(mode="json"),
            "cost": self.cost,
            "charged": self.charged,
            "files": self.files,
            "failure": None if failure is None else failure.model_dump(mode="json"),
            "earlier": [one.model_dump(mode="json") for one in self.earlier],
        }
        return found


class Snapshot(BaseModel):
    """How a batch stood when a worker was last done with it. The items' own records decide on the money.

    :param stamp: who wrote it: only its fields about the try, the run and the deployment count.
    :param digest: of the requests.
    :param removed: items that were bought and are no longer among the requests.
    """

    model_config = ConfigDict(extra="ignore")

    stamp: Record
    digest: str
    items: list[Item]
    removed: list[Item] = []


def digest_of(*values: Any) -> str:
    """Return what changes whenever one of the values does."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def part_name(key: str) -> str:
    """Return the name by which an item's records are found."""
    return f"item.{path_name(key)}"


def keys_of(ids: Sequence[str | None], fingerprints: Sequence[str], earlier: Iterable[Item]) -> list[str]:
    """Return the keys of the items, in order.

    A request without an id that is new, in the place of one that is no longer there, is that one after an
    edit: it keeps its key, and the purchase's own rules for changed requests hold. So a request that changes
    from try to try, such as one with a signed URL in it, is not bought again by a retry.
    """
    seen: Counter[str] = Counter()
    keys: list[str] = []
    for name, fingerprint in zip(ids, fingerprints, strict=True):
        digits = fingerprint[-_DIGITS:]
        if name is None:
            seen[digits] += 1
        keys.append(f"no.{digits}.{seen[digits]}" if name is None else f"id.{name}")
    known = {item.key: item for item in earlier}
    there, by_place = set(keys), {item.number: item for item in known.values() if item.number}
    for index, key in enumerate(keys):
        before = by_place.get(index + 1)
        if (
            ids[index] is None
            and key not in known
            and before
            and before.id is None
            and before.key not in there
        ):
            keys[index] = before.key
    return keys


def costs(items: Iterable[Item]) -> dict[str, float]:
    """Add up what was paid, by unit, for purchases that others have replaced too.

    What was refunded or cost nothing is left out.
    """
    found: dict[str, float] = {}
    for cost in map(Cost.of, itertools.chain.from_iterable(map(_paid, items))):
        if cost.amount is not None and cost.unit is not None:
            found[cost.unit] = round(found.get(cost.unit, 0.0) + cost.amount, 6)
    return found


def _paid(item: Item) -> Iterator[dict[str, JsonValue] | None]:
    if item.ref is not None and item.charged not in FREE:
        yield item.cost
    yield from (one.cost for one in item.earlier if one.charged not in FREE)


def counts(items: Sequence[Item]) -> dict[str, int]:
    """Count the items as the progress shows them."""
    states = Counter(item.state for item in items)
    return {
        "requests": len(items),
        "bought": sum(item.ref is not None for item in items),
        "ready": states["ready"] + states["landed"],
        "landed": states["landed"],
        "failed": states["failed"],
    }


def summary(counted: Mapping[str, int], spent: Mapping[str, float]) -> str:
    """Return the progress as a part of a sentence."""
    cost = ", ".join(f"{amount:g} {'USD' if unit == 'usd' else unit}" for unit, amount in spent.items())
    return (
        f"{counted['landed']} of {counted['requests']} landed, {counted['bought']} bought, "
        f"{counted['failed']} failed; cost so far: {cost or 'not known'}"
    )
