"""What the real servers of the tests serve: the same few paths as a WSGI application (gunicorn, Werkzeug) and as an
ASGI one (uvicorn). nginx, http.server and Node's server have their own like it (real_servers.py).

    /           a few bytes
    /moved      a redirect to /
    /large      LARGE bytes: more than the buffers of a loopback connection hold
    /meet/N     answers when N requests are waiting for it
    /never      does not answer (uvicorn and Node only)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

LARGE = 16 << 20
"""tcp_rmem and tcp_wmem end at 6 MB and 4 MB by default."""
PATIENCE_S = 20

_barriers: dict[int, threading.Barrier] = {}
_barriers_lock = threading.Lock()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if path == "/moved":
        start_response("302 Found", [("Location", "/"), ("Content-Length", "0")])
        return [b""]
    if path.startswith("/meet/"):
        number = int(path.rpartition("/")[2])
        with _barriers_lock:
            barrier = _barriers.setdefault(number, threading.Barrier(number))
        barrier.wait(PATIENCE_S)
    body = b"x" * (LARGE if path == "/large" else 100)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


Message = MutableMapping[str, Any]

_meetings: dict[int, list[asyncio.Event]] = {}


async def asgi(scope: Message, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
    if scope["type"] != "http":
        return
    path = scope["path"]
    while (await receive()).get("more_body"):
        pass
    if path == "/never":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if path.startswith("/meet/"):
        await _meet(int(path.rpartition("/")[2]))
    moved = path == "/moved"
    body = b"" if moved else b"x" * (LARGE if path == "/large" else 100)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    headers += [(b"location", b"/")] if moved else []
    await send({"type": "http.response.start", "status": 302 if moved else 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _meet(number: int) -> None:
    waiting = _meetings.setdefault(number, [])
    arrived = asyncio.Event()
    waiting.append(arrived)
    if len(waiting) == number:
        for each in waiting:
            each.set()
        waiting.clear()
    await asyncio.wait_for(arrived.wait(), PATIENCE_S)
