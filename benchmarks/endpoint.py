"""A status endpoint that never finishes a job: TLS on loopback, in a process of its own.

It answers status calls in the form of VIDIO, dbt Cloud and plain HTTP, always with "still running", after a
fixed latency. It is a bare protocol, so that the benchmark does not measure the endpoint: one answer costs a
tenth of a millisecond, a tenth of what the sandbox's application costs. Besides, the sandbox has no TLS.

``python -m benchmarks.endpoint FOLDER`` prints its port; FOLDER gets ``ca.pem``.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path

import trustme

#: Seconds from request to answer: typical for a good API in another region.
LATENCY = 0.15


def answer(status: str, body: dict[str, object]) -> bytes:
    """Return a whole HTTP answer."""
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


VIDIO = answer("200 OK", {"job_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "status": "processing"})
DBT = answer("200 OK", {"status": {"code": 200}, "data": {"id": 1, "status": 3, "is_complete": False}})
HTTP = answer("404 Not Found", {"status": "processing"})


class Counts:
    """What the endpoint has seen."""

    polls = 0
    opened = 0
    open = 0


class Peer(asyncio.Protocol):
    """One connection: requests without a body, one after the other."""

    def __init__(self) -> None:
        self._text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = transport
        Counts.opened += 1
        Counts.open += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Count it."""
        Counts.open -= 1

    def data_received(self, data: bytes) -> None:
        """Answer each whole request after the latency."""
        self._text += data
        while b"\r\n\r\n" in self._text:
            head, self._text = self._text.split(b"\r\n\r\n", 1)
            path = head.split(b" ", 2)[1]
            if path == b"/counts":
                counts = {"polls": Counts.polls, "opened": Counts.opened, "open": Counts.open}
                self._send(answer("200 OK", counts))
                continue
            Counts.polls += 1
            found = DBT if path.startswith(b"/api/v2/") else HTTP if path.startswith(b"/http/") else VIDIO
            asyncio.get_running_loop().call_later(LATENCY, self._send, found)

    def _send(self, found: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(found)  # type: ignore[attr-defined]


def certificate(folder: Path) -> ssl.SSLContext:
    """Return the TLS settings of a server on this machine. Clients that shall trust it get ``ca.pem``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def main(folder: Path) -> None:
    """Serve until the process is terminated."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, "127.0.0.1", 0, ssl=certificate(folder), backlog=4096)
    # The counts are served without TLS, so that reading them costs the measured process next to nothing.
    counts = await loop.create_server(Peer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], counts.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
