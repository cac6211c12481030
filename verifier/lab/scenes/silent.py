"""Servers that close without a word in advance: after a while, after a count, by accident."""

from __future__ import annotations

import threading
from http.client import HTTPConnection

from verifier.lab.clients import ask, connect, fails, get_repeatedly, outlast, pause, refused, session
from verifier.lab.scene import Scene
from verifier.lab.stage import PATIENCE_S, Peer, Server, Stage, keep_alive, response

IDLE_S = 0.3
PAUSES_S = (0.05, 0.15, 0.1)
"""How much longer than the server the client waits, each time."""
CONNECTIONS = 4
MOST_REQUESTS = 3
WORKERS = 3
LATER_S = 0.1


def server_idle_timeout(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for _ in peer.requests(within=IDLE_S):
            peer.send(response())

    with session() as client:
        outlast(client, stage.server(script), PAUSES_S)


def server_reset_idle(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for _ in peer.requests(within=IDLE_S):
            peer.send(response())
        peer.reset()

    with session() as client:
        outlast(client, stage.server(script), PAUSES_S)


def unsolicited_response(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for _ in peer.requests(within=IDLE_S):
            peer.send(response())
        peer.last(response("Connection: close", status="408 Request Timeout"))

    with session() as client:
        outlast(client, stage.server(script), PAUSES_S)


def max_requests_silent(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for left in reversed(range(MOST_REQUESTS)):
            if peer.request() is None:
                return
            if left == 0:
                peer.last(response())
            else:
                peer.send(response())

    get_repeatedly(stage.server(script), MOST_REQUESTS * (CONNECTIONS - 1) + 1)


def keepalive_race(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(response())
        if peer.number < CONNECTIONS - 1:
            # The moment before the server closes, a request arrives, which it will never read.
            peer.wait_unread()
            peer.reset()
        else:
            peer.request(within=IDLE_S)

    server = stage.server(script)
    with session() as client:
        client.get(server.url)
        for _ in range(CONNECTIONS - 1):
            pause(IDLE_S)
            fails(lambda: client.get(server.url))
            server.wait_closed()
            client.get(server.url)
        server.wait_closed()


def server_restart(stage: Stage) -> None:
    everybody = threading.Barrier(WORKERS, timeout=PATIENCE_S)

    def script(peer: Peer) -> None:
        peer.request()
        everybody.wait()
        peer.send(response())
        keep_alive(peer)

    first = stage.server(script)
    workers = _all_at_once(first)
    for worker in workers:
        # So that no two of them are idle for the same time.
        pause(LATER_S)
        ask(worker)
    first.stop()
    for _ in workers:
        first.wait_closed()
    for worker in workers:
        worker.close()
        refused(first.host, first.port)
    for worker in _all_at_once(stage.server(script, port=first.port)):
        worker.close()


def _all_at_once(server: Server) -> list[HTTPConnection]:
    workers = [connect(server) for _ in range(WORKERS)]
    for worker in workers:
        worker.request("GET", "/")
    for worker in workers:
        worker.getresponse().read()
    return workers


SCENES = (
    Scene(
        "server-idle-timeout",
        server_idle_timeout,
        f"The server closes a connection that was idle for {IDLE_S} s; the client waits longer with its requests.",
    ),
    Scene(
        "max-requests-silent",
        max_requests_silent,
        f"The server closes each connection right after its request number {MOST_REQUESTS}, without a word.",
    ),
    Scene("server-reset-idle", server_reset_idle, f"The server resets a connection that was idle for {IDLE_S} s."),
    Scene(
        "keepalive-race",
        keepalive_race,
        f"The server gives up a connection after {IDLE_S} s, just as the client's next request arrives.",
    ),
    Scene(
        "unsolicited-response",
        unsolicited_response,
        f"The server sends a 408 that nobody asked for on a connection that was idle for {IDLE_S} s, and closes.",
    ),
    Scene(
        "server-restart",
        server_restart,
        f"A server with {WORKERS} idle connections goes down, refuses new ones for a moment, and is up again.",
        ("concurrency",),
    ),
)
