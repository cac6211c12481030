"""Bodies that are not as they should be: without an end, too short, too long, too early, unread."""

from __future__ import annotations

import threading

from verifier.lab.clients import connect, fails, get_repeatedly, session
from verifier.lab.scene import Scene
from verifier.lab.stage import PATIENCE_S, Peer, Stage, response, settle

REQUESTS = 4
DECLARED = 1000
SENT = 600
LARGE = 1_000_000
BEGINNING = 200_000
"""How much of the large body is on its way when the client closes: more than http.client reads ahead (8 KiB; 128 KiB
from Python 3.14 on)."""
EXCESS = b"\r\n"
UPLOAD = b"x" * 4096
UPLOADED = 1024
KEEP = "Connection: keep-alive"


def no_length(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.last(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nThe end is where the connection ends.\n")

    get_repeatedly(stage.server(script), REQUESTS)


def short_body(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.last(response(body=b"x" * DECLARED)[: SENT - DECLARED])

    server = stage.server(script)
    with session() as client:
        for _ in range(REQUESTS):
            fails(lambda: client.get(server.url))


def excess_bytes(stage: Stage) -> None:
    answered = threading.Semaphore(0)
    exceeded = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(response())
            answered.acquire(timeout=PATIENCE_S)
            peer.send(EXCESS)
            settle()
            exceeded.release()

    server = stage.server(script)
    with session() as client:
        for _ in range(REQUESTS):
            client.get(server.url)
            answered.release()
            exceeded.acquire(timeout=PATIENCE_S)


def early_response(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.read(UPLOADED)
        peer.last(response("Connection: close", status="413 Content Too Large"))

    server = stage.server(script)
    for _ in range(REQUESTS):
        client = connect(server)
        client.putrequest("POST", "/upload")
        client.putheader("Content-Length", str(len(UPLOAD)))
        client.endheaders(UPLOAD[:UPLOADED])
        client.getresponse().read()
        client.close()


def bodiless_quirk(stage: Stage) -> None:
    bodiless = {
        "/deleted": b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
        "/cached": b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nConnection: keep-alive\r\n\r\n',
        "/looked-at": response(KEEP, body=b""),
    }

    def script(peer: Peer) -> None:
        for request in peer.requests():
            if request.target in bodiless:
                peer.last(bodiless[request.target])
                break
            peer.send(response(KEEP))

    server = stage.server(script)
    with session() as client:
        for path in ("/page", "/page", "/deleted", "/page", "/cached", "/page", "/page", "/page"):
            client.get(server.url + path)
        client.head(server.url + "/looked-at")
        client.get(server.url + "/page")


def body_unread(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(response(body=b"x" * LARGE)[:BEGINNING])

    server = stage.server(script)
    with session() as client:
        for _ in range(REQUESTS):
            client.get(server.url, stream=True).close()


SCENES = (
    Scene(
        "body-unread",
        body_unread,
        "The client asks for large bodies with stream=True, looks at the heads alone, and closes the responses.",
    ),
    Scene(
        "no-length",
        no_length,
        "The server gives its responses neither a length nor chunks: their end is the end of the connection.",
    ),
    Scene("short-body", short_body, f"The server announces {DECLARED} bytes, sends {SENT}, and closes."),
    Scene(
        "excess-bytes",
        excess_bytes,
        f"The server sends {len(EXCESS)} bytes more than it announced; the client throws the connection away.",
    ),
    Scene(
        "early-response",
        early_response,
        f"The server answers 413 when {UPLOADED} of {len(UPLOAD)} bytes of an upload have come, and closes.",
    ),
    Scene(
        "bodiless-quirk",
        bodiless_quirk,
        "The server closes after each response without a body (204, 304, to HEAD), although it said keep-alive.",
    ),
)
