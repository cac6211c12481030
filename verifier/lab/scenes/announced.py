"""Servers that close, and say so: in a header, or by the version that they speak."""

from __future__ import annotations

from verifier.lab.clients import get_repeatedly, session
from verifier.lab.scene import Scene
from verifier.lab.stage import Peer, Stage, response

REQUESTS = 5
MOST_REQUESTS = 3
CONNECTIONS = 4
CLOSE = "Connection: close"


def response_close_header(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for request in peer.requests():
            if request.target == "/report":
                peer.last(response(CLOSE))
                break
            peer.send(response())

    server = stage.server(script)
    with session() as client:
        for path in ("/item", "/report", "/report", "/item", "/item", "/report", "/item"):
            client.get(server.url + path)


def http10(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.last(response(version="HTTP/1.0"))

    get_repeatedly(stage.server(script), REQUESTS)


def server_never_keeps_alive(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.last(response("Server: gunicorn", CLOSE))

    get_repeatedly(stage.server(script), REQUESTS)


def max_requests_announced(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for left in reversed(range(MOST_REQUESTS)):
            if peer.request() is None:
                return
            if left == 0:
                peer.last(response(CLOSE))
            else:
                peer.send(response("Connection: keep-alive", f"Keep-Alive: timeout=5, max={left}"))

    get_repeatedly(stage.server(script), MOST_REQUESTS * (CONNECTIONS - 1) + 1)


def error_closes(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for request in peer.requests():
            if request.target == "/bad":
                peer.last(response(CLOSE, status="400 Bad Request"))
                break
            peer.send(response())

    server = stage.server(script)
    with session() as client:
        for path in ("/good", "/good", "/bad", "/good", "/bad", "/good", "/good", "/good", "/bad", "/good"):
            client.get(server.url + path)


def request_close_header(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.last(response(CLOSE))

    server = stage.server(script)
    with session() as client:
        client.headers["Connection"] = "close"
        for _ in range(REQUESTS):
            client.get(server.url)


SCENES = (
    Scene(
        "response-close-header",
        response_close_header,
        "The server answers /item and keeps the connection; it answers /report with `Connection: close`, and closes.",
    ),
    Scene("http10", http10, "The server speaks HTTP/1.0: it closes after each response."),
    Scene(
        "server-never-keeps-alive",
        server_never_keeps_alive,
        "The server, as gunicorn's sync worker does, answers every request with `Connection: close`.",
    ),
    Scene(
        "max-requests-announced",
        max_requests_announced,
        f"The server allows {MOST_REQUESTS} requests for each connection, counts them down in Keep-Alive headers, and "
        "closes with the last.",
    ),
    Scene(
        "error-closes",
        error_closes,
        "The server keeps connections, but not those of bad requests: it answers 400 with `Connection: close`.",
    ),
    Scene(
        "request-close-header",
        request_close_header,
        "The client sends `Connection: close` with each request, and the server obeys.",
    ),
)
