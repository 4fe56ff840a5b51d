"""Vidgo: images, videos and music from one task API.

Where the vendor's documents disagree, or are silent, ``vidgo.settings`` has a switch.
"""

from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.vidgo import songs as vidgo_songs
from airflow_provider_vidai.sandbox.vidgo.callbacks import announce
from airflow_provider_vidai.sandbox.vidgo.jobs import Making, Task, images, start, video
from airflow_provider_vidai.sandbox.vidgo.models import DERIVED, THERE_ALREADY, Model, examine, find, price
from airflow_provider_vidai.sandbox.vidgo.uploads import base64_upload, stream_upload, url_upload
from airflow_provider_vidai.sandbox.vidgo.wire import VENDOR, Asked, Refused, call
from airflow_provider_vidai.sandbox.wire import JSON, Calls

#: What the book keeps of a URL or a text in an order.
LONGEST_TEXT = 200


async def submit(asked: Asked) -> Response:
    """Sell a task."""
    world, body = asked.exchange.world, await asked.json()
    model = find(body.get("model"))
    wish = examine(model, body)
    making = _making(asked, model, wish)
    _new(asked, model, wish)
    amount = price(model, wish)
    if world.balance(VENDOR, asked.account) < amount:
        raise Refused(402, "Insufficient credits to complete this request")
    failing = asked.exchange.fault("fail_job")
    task = start(world, asked.account, model, wish, body.get("callback_url"), making, failing)
    world.jobs[VENDOR][task.id] = task
    world.book.purchase(
        vendor=VENDOR,
        account=asked.account,
        kind="music" if task.is_music else "media",
        job_id=task.id,
        amount=amount,
        currency="credits",
        request={"model": model.id, "input": _brief(wish)},
        walk=task.walk,
        refundable=asked.settings.refund_failed,
    )
    announce(world, task, str(asked.exchange.request.base_url))
    return JSON(
        {"code": 200, "data": {"task_id": task.id, "status": "not_started", "created_time": task.created}}
    )


def _making(asked: Asked, model: Model, wish: dict[str, Any]) -> Making:
    if model.makes == "image":
        return images
    if model.makes == "video":
        return video
    return vidgo_songs.making(_source(asked, model, wish))


def _source(asked: Asked, model: Model, wish: dict[str, Any]) -> Task | None:
    """Return the task whose song an order is about.

    :raises Refused: if there is no such song.
    """
    jobs: dict[str, Task] = asked.exchange.world.jobs[VENDOR]
    mine = {key: one for key, one in jobs.items() if one.account == asked.account}
    if model.id == "extend-music":
        found = next((one for one in mine.values() if vidgo_songs.track(one, wish["audio_id"])), None)
        if found is None:
            raise Refused(404, "Audio not found")
        return found
    if "task_id" not in wish:
        return None
    found = mine.get(wish["task_id"])
    if found is None or not found.files():
        raise Refused(404, "Task not found")
    if vidgo_songs.track(found, wish.get("audio_id")) is None:
        raise Refused(404, "Audio not found")
    return found


def _new(asked: Asked, model: Model, wish: dict[str, Any]) -> None:
    """Refuse to make of a song what was made of it already, unless that failed."""
    if model.id not in DERIVED:
        return

    def about(one: Any) -> tuple[Any, ...]:
        return one.get("task_id"), one.get("audio_id"), one.get("audio_url")

    for task in asked.exchange.world.jobs[VENDOR].values():
        same = (task.account, task.model.id) == (asked.account, model.id) and about(task.wish) == about(wish)
        if same and not task.walk.failed:
            what = THERE_ALREADY.get(model.id, "Separation")
            named = {"task_id": task.id} if asked.settings.names_existing else {}
            raise Refused(409, f"{what} already exists for this audio", **named)


def _brief(value: Any) -> Any:
    """Return an order as the book keeps it: URLs without what comes after the path, long texts cut."""
    if isinstance(value, dict):
        return {name: _brief(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_brief(one) for one in value]
    return value.partition("?")[0][:LONGEST_TEXT] if isinstance(value, str) else value


def _task(asked: Asked, task_id: str | None) -> Task:
    if not task_id:
        raise Refused(400, "task_id is required")
    task: Task | None = asked.exchange.world.jobs[VENDOR].get(task_id)
    if task is None:
        raise Refused(404, "Task not found")
    if task.account != asked.account:
        raise Refused(403, "You do not have permission to access this resource")
    return task


async def status(asked: Asked) -> Response:
    """Tell how an image's or a video's task is."""
    task = _task(asked, asked.exchange.request.path_params["task_id"])
    if task.is_music:
        raise Refused(400, "This is a music task: query it at /api/generate/detail/music")
    return _told(asked, task)


async def music(asked: Asked) -> Response:
    """Tell how a task of music is."""
    task = _task(asked, asked.exchange.request.query_params.get("task_id"))
    if not task.is_music:
        raise Refused(404, "Task not found")
    return _told(asked, task)


def _told(asked: Asked, task: Task) -> Response:
    exchange = asked.exchange
    base_url = str(exchange.request.base_url)
    if exchange.fault("expired_url"):
        base_url += "expired/"  # where there is no storage
    told = task.told(exchange.world.clock, base_url)
    if exchange.fault("missing_output_url"):
        told["files"] = []
    other = exchange.fault("vendor_status")
    if other:
        told |= {"status": other.options["word"], "files": []}
    return JSON({"code": 200, "data": told})


async def balance(asked: Asked) -> Response:
    """Tell what an account has left."""
    left = asked.exchange.world.balance(VENDOR, asked.account)
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
