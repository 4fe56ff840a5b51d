"""Vidgo: images, videos and music from one task API.

Where the vendor's documents contradict each other or are silent, ``vidgo.settings`` has a switch.
"""

from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.callbacks import Callback, announce
from airflow_provider_vidai.sandbox.vidgo import songs as vidgo_songs
from airflow_provider_vidai.sandbox.vidgo.jobs import Maker, Task, blobs_in, images, start, video
from airflow_provider_vidai.sandbox.vidgo.models import ALREADY_EXISTS, DERIVED, Model, examine, find, price
from airflow_provider_vidai.sandbox.vidgo.uploads import base64_upload, stream_upload, url_upload
from airflow_provider_vidai.sandbox.vidgo.wire import VENDOR, Context, Refused, call
from airflow_provider_vidai.sandbox.wire import JSON, Calls

#: The maximum length of a text in the book, in characters.
LONGEST_TEXT = 200


async def submit(context: Context) -> Response:
    """Sell a task."""
    world, body = context.exchange.world, await context.json()
    model = find(body.get("model"))
    inputs = examine(model, body)
    maker = _maker_for(context, model, inputs)
    _refuse_duplicate(context, model, inputs)
    amount = price(model, inputs)
    if world.balance(VENDOR, context.account) < amount:
        raise Refused(402, "Insufficient credits to complete this request")
    failing = context.exchange.fault("fail_job")
    task = start(world, context.account, model, inputs, body.get("callback_url"), maker, failing)
    world.jobs[VENDOR][task.id] = task
    world.book.purchase(
        vendor=VENDOR,
        account=context.account,
        kind="music" if task.is_music else "media",
        job_id=task.id,
        amount=amount,
        currency="credits",
        request={"model": model.id, "input": _brief(inputs)},
        timeline=task.timeline,
        refundable=context.settings.refund_failed,
        files=lambda: blobs_in(task.files()),
    )
    if task.callback_url:
        announce(world, _callback(context, task, task.callback_url))
    return JSON(
        {"code": 200, "data": {"task_id": task.id, "status": "not_started", "created_time": task.created}}
    )


def _callback(context: Context, task: Task, url: str) -> Callback:
    """Return what Vidgo sends when a task has ended; it is sent again after a failure."""
    settings, clock = context.settings, context.exchange.world.clock
    base_url = str(context.exchange.request.base_url)

    def body() -> dict[str, Any]:
        about = {key: value for key, value in task.as_answer(clock, base_url).items() if key != "progress"}
        # The documents changed from the wrapped to the flat form in August 2026, except on the page about
        # music.
        return {"code": 200, "data": about} if task.is_music or settings.callback == "wrapped" else about

    return Callback(
        VENDOR,
        "callback",
        url,
        ended=lambda: task.timeline.ended,
        body=body,
        claim={"status": "finished"},
        tries=settings.callback_tries,
        pause=settings.callback_pause,
    )


def _maker_for(context: Context, model: Model, inputs: dict[str, Any]) -> Maker:
    if model.makes == "image":
        return images
    if model.makes == "video":
        return video
    return vidgo_songs.maker(_source(context, model, inputs))


def _source(context: Context, model: Model, inputs: dict[str, Any]) -> Task | None:
    """Return the task whose song the purchase uses.

    :raises Refused: if there is no such song.
    """
    jobs: dict[str, Task] = context.exchange.world.jobs[VENDOR]
    mine = {key: one for key, one in jobs.items() if one.account == context.account}
    if model.id == "extend-music":
        found = next((one for one in mine.values() if vidgo_songs.track(one, inputs["audio_id"])), None)
        if found is None:
            raise Refused(404, "Audio not found")
        return found
    if "task_id" not in inputs:
        return None
    found = mine.get(inputs["task_id"])
    if found is None or not found.files():
        raise Refused(404, "Task not found")
    if vidgo_songs.track(found, inputs.get("audio_id")) is None:
        raise Refused(404, "Audio not found")
    return found


def _refuse_duplicate(context: Context, model: Model, inputs: dict[str, Any]) -> None:
    """Refuse to make again what was already made of a song, unless that failed."""
    if model.id not in DERIVED:
        return

    def about(one: Any) -> tuple[Any, ...]:
        return one.get("task_id"), one.get("audio_id"), one.get("audio_url")

    for task in context.exchange.world.jobs[VENDOR].values():
        same = (task.account, task.model.id) == (context.account, model.id) and about(task.inputs) == about(
            inputs
        )
        if same and not task.timeline.failed:
            what = ALREADY_EXISTS.get(model.id, "Separation")
            named = {"task_id": task.id} if context.settings.names_existing else {}
            raise Refused(409, f"{what} already exists for this audio", **named)


def _brief(value: Any) -> Any:
    """Return a purchase as the book shows it: without URL queries, long texts cut."""
    if isinstance(value, dict):
        return {name: _brief(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_brief(one) for one in value]
    return value.partition("?")[0][:LONGEST_TEXT] if isinstance(value, str) else value


def _task(context: Context, task_id: str | None) -> Task:
    if not task_id:
        raise Refused(400, "task_id is required")
    task: Task | None = context.exchange.world.jobs[VENDOR].get(task_id)
    if task is None:
        raise Refused(404, "Task not found")
    if task.account != context.account:
        raise Refused(403, "You do not have permission to access this resource")
    return task


async def status(context: Context) -> Response:
    """Return the status of an image or video task."""
    task = _task(context, context.exchange.request.path_params["task_id"])
    if task.is_music:
        # Vidgo does not document this. A service of the same makers with the same API answers so.
        raise Refused(400, "This is a music task: query it at /api/generate/detail/music")
    return _status_answer(context, task)


async def music(context: Context) -> Response:
    """Return the status of a music task."""
    task = _task(context, context.exchange.request.query_params.get("task_id"))
    if not task.is_music:
        raise Refused(404, "Task not found")
    return _status_answer(context, task)


def _status_answer(context: Context, task: Task) -> Response:
    exchange = context.exchange
    base_url = str(exchange.request.base_url)
    if exchange.fault("expired_url"):
        base_url += "expired/"  # a path at which nothing is stored
    answer = task.as_answer(exchange.world.clock, base_url)
    if exchange.fault("missing_output_url"):
        answer["files"] = []
    other = exchange.fault("vendor_status")
    if other:
        answer |= {"status": other.options["word"], "files": []}
    return JSON({"code": 200, "data": answer})


async def balance(context: Context) -> Response:
    """Return what an account has left to spend."""
    left = context.exchange.world.balance(VENDOR, context.account)
    return JSON({"code": 200, "data": {"email": "sandbox@example.com", "credits_amount": left}})


CALLS: Calls = {
    "submit": ("POST", "/api/generate/submit", call(submit)),
    "status": ("GET", "/api/generate/status/{task_id}", call(status)),
    "music": ("GET", "/api/generate/detail/music", call(music)),
    "upload_base64": (
        *("POST", "/api/common/upload/base64"),
        call(base64_upload, details=True, limit="uploads_per_minute"),
    ),
    "upload_url": (
        *("POST", "/api/common/upload/url"),
        call(url_upload, details=True, limit="uploads_per_minute"),
    ),
    "upload_stream": (
        *("POST", "/api/common/upload/stream"),
        call(stream_upload, details=True, limit="uploads_per_minute"),
    ),
    "balance": ("GET", "/api/user/balance", call(balance)),
}
