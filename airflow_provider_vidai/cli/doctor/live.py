"""Buys the smallest job of a vendor, lands it, and reports which fields the vendor's answers have.

The purchase goes through the vendor's real operator: with a record before it is sent, and with the budgets
and the book of this deployment.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from airflow_provider_vidai._compat import AirflowException
from airflow_provider_vidai.cli.doctor.report import LANDED, Recording, Report
from airflow_provider_vidai.cli.doctor.smallest import cheapest
from airflow_provider_vidai.cli.hooks import HOOKS
from airflow_provider_vidai.cli.tables import console
from airflow_provider_vidai.errors import InputError, VidaiError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.inline import is_web_url
from airflow_provider_vidai.files.intake import checked_source
from airflow_provider_vidai.files.storage import source
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.hooks.failures import TaskFailed
from airflow_provider_vidai.jobs.calls import Fetch
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.settings import text_setting
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator
from airflow_provider_vidai.purchase.walk import Offer

#: The DAG's name in the records of these purchases, and in the book.
DAG_ID: Final = "vidai_doctor"
#: Seconds that a small job may take.
TIMEOUT: Final = 1800.0
#: Prices in USD that a vendor publishes and no call returns (vidgo.ai, 2026-08).
PUBLISHED: Final[Mapping[tuple[str, str], float]] = {("vidgo", "nano-banana-2"): 0.03}
_ADDRESS: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


class Limit:
    """How many USD this check may still spend.

    :param usd: in all.
    """

    def __init__(self, usd: float) -> None:
        self.usd = self.left = usd

    def take(self, usd: float | None, why: str) -> None:
        """Take a purchase's price from what is left.

        :param usd: None where the price is not known.
        :raises InputError: when it is not known, or more than is left; nothing was bought.
        """
        if usd is None:
            raise InputError(
                f"--max-usd cannot be enforced: what this purchase costs in USD is not known ({why}).",
                todo="Name its price in [vidai] prices.",
                fate="Nothing was bought.",
            )
        if usd > self.left:
            raise InputError(
                f"--max-usd: this purchase costs {usd:g} USD, and {self.left:g} USD may be spent.",
                fate="Nothing was bought.",
            )
        self.left -= usd


class Guarded(JobOperator[Any]):
    """An operator that buys only within a limit."""

    limit: Limit

    def offer_checked(self) -> Offer:
        """Return the purchase, if it fits."""
        offer = super().offer_checked()
        cost = Cost.of(offer.facts["cost"])
        published = PUBLISHED.get((self.hook_class.vendor_name, str(offer.facts["model"])))
        self.limit.take(published if cost.usd is None else cost.usd, cost.reason or str(cost))
        return offer


class Live:
    """One live check.

    :param arguments: of the command.
    :param folder: where files are landed; a storage URI or path that ends in ``/``.
    """

    def __init__(self, arguments: Any, folder: str) -> None:
        self.arguments, self.folder = arguments, folder
        self.vendor: str = arguments.live
        self.report = Report(self.vendor)
        self.limit = Limit(arguments.max_usd)
        self.run_id = time.strftime("live__%Y%m%dT%H%M%SZ", time.gmtime())
        kind = HOOKS[self.vendor]
        self.hook: Any = kind((arguments.connection or [f"{self.vendor}_default"])[0])
        # The operators below get this hook, so their answers are reported too.
        self.hook.__dict__["client"] = Recording(self.hook.account, self.report)

    def buy(self, operator: type[JobOperator[Any]], **given: Any) -> dict[str, Any]:
        """Buy a job with its operator, wait for it, and return its result."""
        kind: Any = type(f"Live{operator.__name__}", (Guarded, operator), {})
        connection = {f"{self.vendor}_conn_id": self.hook.conn_id}
        task: Any = kind(task_id=operator.kinds[0], deferrable=False, timeout=TIMEOUT, **connection, **given)
        task.__dict__.update(limit=self.limit, hook=self.hook)
        context: Any = self._context(task)
        # Before the purchase: if it is interrupted, the report must not say that nothing was bought.
        self.report.facts["outcome"] = "bought or refused, see error"
        try:
            # Airflow guards execute() against calls from the code of another task; here there is none.
            result: dict[str, Any] = inspect.unwrap(kind.execute)(task, context)
        except KeyboardInterrupt:
            task.on_kill()
            raise
        for callback in task.on_success_callback or ():
            callback(context)
        cost = Cost.of(result["cost"]) if result.get("cost") else Cost()
        self.report.facts.setdefault("costs", []).append(cost.model_dump(exclude_none=True))
        return result

    def landed(self, result: Mapping[str, Any]) -> None:
        """Report what was landed, without where."""
        files = [file for file in result.get("files") or () if isinstance(file, dict)]
        self.report.facts["landed"] = [{name: file.get(name) for name in LANDED} for file in files]
        self.report.facts["outcome"] = "landed" if files else "bought, but no file came"

    def failed(self, error: VidaiError | TaskFailed) -> None:
        """Report an error. Its text never holds a key, and here no address either."""
        charged = error.charged if isinstance(error, TaskFailed) else "no"
        if self.report.facts.get("costs"):  # an earlier job of this check was bought
            charged = "yes"
        outcome = "nothing bought" if charged == "no" else "not landed"
        what = _ADDRESS.sub("(an address)", error.what)
        self.report.facts.update(outcome=outcome, error=what, charged=charged)

    def _context(self, task: Any) -> dict[str, Any]:
        # There is no run. These are the fields that a paid operator reads of a task instance.
        instance = SimpleNamespace(
            id=uuid.uuid4(),
            dag_id=DAG_ID,
            run_id=self.run_id,
            task_id=task.task_id,
            map_index=-1,
            try_number=1,
            max_tries=0,
            task=task,
            xcom_push=lambda key, value: None,  # noqa: ARG005 - there is no run that could keep it
        )
        run = SimpleNamespace(start_date=datetime.now(timezone.utc), clear_number=0)
        return {"ti": instance, "dag_run": run, "outlet_events": {}}


def _venice(live: Live) -> None:
    smallest = cheapest(live.hook, live.arguments.model)
    live.landed(
        live.buy(VeniceVideoOperator, download_to=live.folder, max_cost_usd=live.limit.usd, **smallest)
    )


def _vidgo(live: Live) -> None:
    before = live.hook.balance()
    asked = {"prompt": "a grey circle on white", "size": "1:1"}
    model = live.arguments.model or "nano-banana-2"
    result = live.buy(VidgoGenerateOperator, model=model, input=asked, download_to=live.folder)
    # Vidgo's answers name no price; what the balance lost says what this job really cost.
    live.report.facts["balance_lost"] = {"credits": round(before - live.hook.balance(), 6)}
    live.landed(result)


def _vidio(live: Live) -> None:
    upload = live.hook.upload(_source(live, "a short video file"))
    reel = live.buy(
        VidioHighlightReelOperator,
        input_keys=[upload["input_key"]],
        video_category="others",
        output_length=5,
        aspect_ratio="landscape",
    )
    live.landed(live.buy(VidioRenderOperator, job=reel, download_to=live.folder))


def _vizard(live: Live) -> None:
    url = _source(live, "the URL of a video file, or a file in an object storage")
    seconds = _seconds(live.hook, url)
    live.landed(
        live.buy(
            VizardClipsOperator, video_url=url, source_seconds=seconds, max_clips=1, download_to=live.folder
        )
    )


def _seconds(hook: VidaiHook, url: str) -> float | None:
    """Return how long a video is: Vizard bills its minutes, so they must be known, whoever hosts it."""
    if not is_web_url(url):
        return checked_source(source(url), field="--source").media.duration
    with tempfile.TemporaryDirectory(prefix="vidai-live-") as folder:
        file = download(hook.account, lambda: Fetch(url=url, kind="video"), f"{folder}/", "source")
    seconds: float | None = file.get("duration")
    return seconds


_STEPS: Final[Mapping[str, Callable[[Live], None]]] = {
    "venice": _venice,
    "vidgo": _vidgo,
    "vidio": _vidio,
    "vizard": _vizard,
}


def live(arguments: Any) -> None:
    """Buy the smallest job of ``--live`` and write the report.

    :raises SystemExit: with 1 where nothing was landed.
    """
    # NaN is above no price, so it would let everything through.
    if not arguments.max_usd or not 0 < arguments.max_usd < float("inf"):
        raise SystemExit("--live needs --max-usd: the most that it may spend, in USD.")
    folder = arguments.to or tempfile.mkdtemp(prefix="vidai-live-")
    path = Path(arguments.report or f"vidai-live-{arguments.live}.json")
    shown = console()
    try:
        check = Live(arguments, f"{folder.rstrip('/')}/")
    except (VidaiError, AirflowException) as wrong:
        raise SystemExit(str(wrong)) from None
    error: VidaiError | TaskFailed | None = None
    with _recorded(folder):
        try:
            check.hook.send(check.hook.vendor.check())
            _STEPS[arguments.live](check)
        except (VidaiError, TaskFailed) as found:
            error = found
            check.failed(found)
        finally:
            # Also after a failure or an interruption: the answers that it describes may have cost money.
            path.write_text(check.report.text(), encoding="utf-8")
            shown.print(check.report.table())
    shown.print(f"Report (without secrets, made to be attached to an issue): {path}", soft_wrap=True)
    shown.print(f"Landed in: {folder}" if error is None else f"Failed: {error}", markup=False, soft_wrap=True)
    if error is not None or check.report.facts["outcome"] != "landed":
        sys.exit(1)


@contextlib.contextmanager
def _recorded(folder: str) -> Iterator[None]:
    """Keep the record of the purchase beside its file, unless ``[vidai] ledger_path`` is set."""
    name = "AIRFLOW__VIDAI__LEDGER_PATH"
    if text_setting("ledger_path"):
        yield
        return
    os.environ[name] = f"{folder.rstrip('/')}/ledger"
    try:
        yield
    finally:
        del os.environ[name]


def _source(live: Live, what: str) -> str:
    if not live.arguments.source:
        raise InputError(
            f"--source is required with --live {live.vendor}: {what}.", fate="Nothing was bought."
        )
    return str(live.arguments.source)
