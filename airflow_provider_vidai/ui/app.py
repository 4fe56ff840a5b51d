"""The FastAPI app of the pages. Airflow's API decides on each request what its user may see."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.ui import files, pages, query, views
from airflow_provider_vidai.ui.caller import Caller, Refused
from airflow_provider_vidai.ui.files import NotServed
from airflow_provider_vidai.ui.query import BadQuery
from airflow_provider_vidai.vendors import VENDORS

VENDOR_NAMES: tuple[VendorName, ...] = get_args(VendorName)
#: How many days the page of all videos goes back.
DAYS = 14
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
#: On every answer. Airflow sets none of them itself.
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A file in an object storage is played from its signed https URL, and Airflow shows the pages in a frame.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self' https:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
# A landed file comes from outside. A browser that takes it for a page must not run anything in it.
_FILE_POLICY = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox"

app = FastAPI(title="AI videos", docs_url=None, redoc_url=None, openapi_url=None)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")


@app.get("/media")
async def media(request: Request) -> Response:
    """Show a run's wall or, with a task id, what one task made."""
    asked = query.read_query(request)
    async with Caller(request) as caller:
        if "task_id" in asked:
            item = query.item_in(asked)
            task = await views.task_page(caller, item)
            return _page("task.html", task=task, item=item, texts=await _texts(task.shown))
        wall = await views.run_wall(
            caller,
            query.name_in(asked, "dag_id"),
            query.name_in(asked, "run_id"),
            page := query.number_in(asked, "page", 0, 0, 1000),
        )
        return _page("run.html", wall=wall, page=page, texts=await _texts(wall.shown))


@app.get("/videos")
async def videos(request: Request) -> Response:
    """Show the newest results of all DAGs that the user may read."""
    asked = query.read_query(request)
    dag_id = query.name_in(asked, "dag_id") if asked.get("dag_id") else None
    vendor = asked.get("vendor") if asked.get("vendor") in VENDOR_NAMES else None
    day = _day(asked.get("day", ""))
    async with Caller(request) as caller:
        shown = await views.newest(caller, dag_id=dag_id, vendor=vendor, day=day, days=DAYS)
    chosen = {"dag_id": dag_id or "", "vendor": vendor or "", "day": day or ""}
    return _page(
        "videos.html",
        shown=shown,
        chosen=chosen,
        vendors={name: VENDORS[name].label for name in VENDOR_NAMES},
        days=DAYS,
        texts={},
    )


@app.api_route("/file", methods=["GET", "HEAD"])
async def file(request: Request) -> Response:
    """Serve a landed file, or a still of it, with ranges."""
    asked = query.read_query(request)
    item = query.item_in(asked)
    index = query.number_in(asked, "index", 0, 0, 10**6)
    part = asked.get("part", "main")
    if part not in ("main", "poster", "sheet"):
        raise BadQuery("part is unknown")
    async with Caller(request) as caller:
        record = views.read_record(await caller.xcom(item.task, item.key))
    if record is None:
        raise NotServed(404, "There is no such file.")
    found = await files.in_thread(files.served, record, item.task, index, part)
    download = "download" in asked
    # Only players go to the object store itself. The pages' policy lets pictures come from here alone, and a
    # browser would show a download from another host instead of saving it under the file's name.
    if not download and found.type.startswith(("video/", "audio/")):
        address = await files.in_thread(files.signed_address, found)
        if address:
            return RedirectResponse(address, status_code=307, headers=_SAFE)
    return _stream(request, found, download=download)


def _stream(request: Request, found: files.Served, *, download: bool) -> Response:
    headers = {
        **_SAFE,
        "Content-Security-Policy": _FILE_POLICY,
        "Content-Type": f"{found.type}; charset=utf-8" if found.type == "text/plain" else found.type,
        # Airflow 3.1 would otherwise compress a part of a file, whose length would then be wrong.
        "Content-Encoding": "identity",
        "Accept-Ranges": "bytes",
        "ETag": found.tag,
    }
    if download:
        headers["Content-Disposition"] = pages.attachment(found.name)
    span = _span(request, found)
    if span is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{found.size}"})
    first, last, status = span
    if status == 304:
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(last - first + 1)
    if status == 206:
        headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(files.pieces(found, first, last), status_code=status, headers=headers)


def _span(request: Request, found: files.Served) -> tuple[int, int, int] | None:
    """Return the first byte, the last byte and the status of the answer; None for a range that is not there.

    A range of another form than one pair of numbers is ignored, as the standard allows.
    """
    whole = (0, found.size - 1, 200)
    if found.tag in request.headers.get("if-none-match", "").split(", "):
        return 0, 0, 304
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or asked[1] + asked[2] == "":
        return whole
    if request.headers.get("if-range", found.tag) != found.tag:
        return whole
    if asked[1] == "":
        first, last = max(found.size - int(asked[2]), 0), found.size - 1
    else:
        first, last = int(asked[1]), min(int(asked[2] or found.size), found.size - 1)
    return None if first > last or first >= found.size else (first, last, 206)


async def _texts(shown: list[views.Shown]) -> dict[str, str]:
    """Return how the landed texts begin, by their addresses."""
    found: dict[str, str] = {}
    for one in shown:
        for index, each in one.landed:
            if one.refusal or files.media_type(each) != "text/plain" or len(found) >= views.PER_PAGE:
                continue
            try:
                text = await files.in_thread(files.served, one.record, one.item.task, index, "main")
                found[one.item.query(index=index)] = await files.excerpt(text)
            except NotServed:
                continue
    return found


def _day(value: str) -> str | None:
    if not value:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise BadQuery("day is not a date") from None


def _page(template: str, **values: Any) -> Response:
    return _html(pages.render(template, **values), 200)


def _html(text: str, status: int) -> Response:
    headers = {**_SAFE, "Content-Security-Policy": _PAGE_POLICY}
    return Response(text, status_code=status, media_type="text/html", headers=headers)


@app.exception_handler(BadQuery)
async def _bad_query(_: Request, error: Exception) -> Response:
    return _html(
        pages.render("message.html", title="No such page", text=f"The address is wrong: {error}."), 400
    )


@app.exception_handler(NotServed)
async def _not_served(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, NotServed) else 500
    return Response(f"{error}\n", status_code=status, media_type="text/plain", headers=_SAFE)


@app.exception_handler(Refused)
async def _refused(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, Refused) else 502
    title, text = pages.REFUSALS.get(status, pages.REFUSALS[502])
    return _html(pages.render("message.html", title=title, text=text), status)
