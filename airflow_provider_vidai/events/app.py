"""The receiver of vendors' calls.

The address that was called says whom to wake, and only this deployment can have made it. The body is never
believed: of an address that all jobs of a vendor share, it names the job to check. The answer is the same
whatever happens, so that a caller learns nothing.
"""

from __future__ import annotations

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import Response

from airflow_provider_vidai.events.follow import Call, Follower
from airflow_provider_vidai.events.shared import job_in
from airflow_provider_vidai.events.waking import wake
from airflow_provider_vidai.hooks.webhook import webhook

#: Bytes of a call's body, at most, and the seconds for which it may arrive.
LARGEST_BODY = 1 << 20
SLOWEST_BODY = 10.0

app = FastAPI(title="AI video webhooks", docs_url=None, redoc_url=None, openapi_url=None)
follower = Follower(wake)


@app.post("/{token}")
async def called(token: str, request: Request) -> Response:
    """Take a call: 204 whatever becomes of it, 404 for an address that this deployment did not make."""
    found = webhook()
    hint = found.hint(token) if found else None
    if hint is None:
        return Response(status_code=404)
    try:
        with anyio.fail_after(SLOWEST_BODY):
            body = await _body(request)
    except TimeoutError:
        return Response(status_code=408, headers={"Connection": "close"})
    if body is None:
        return Response(status_code=413, headers={"Connection": "close"})
    call = Call(hint.vendor, hint.task, hint.purchase)
    if hint.task is None:
        call = Call(hint.vendor, job_id=await anyio.to_thread.run_sync(job_in, hint.vendor, body))
    if call != Call(hint.vendor) and not follower.follow(call):
        # Vidgo sends it again later; no vendor repeats a call that was taken.
        return Response(status_code=503, headers={"Retry-After": "30"})
    return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """Return the body; None when it is too large, or when the caller has gone."""
    body = bytearray()
    while len(body) <= LARGEST_BODY:
        message = await request.receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body") and len(body) <= LARGEST_BODY:
            return bytes(body)
    return None
