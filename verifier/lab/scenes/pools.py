"""Clients that have an idle connection, or could have, and don't use it: how sessions and their pools are used."""

from __future__ import annotations

import threading
from itertools import cycle

from verifier.lab.clients import pause, session, together
from verifier.lab.scene import Scene
from verifier.lab.stage import PATIENCE_S, Peer, Script, Stage, response

REQUESTS = 4
THREADS = 6
KEPT = 2
ROUNDS = 3
HOSTS = 4
PACES_S = (0.06, 0.1, 0.08)
"""Between requests of a round: so long that the end of one connection and the beginning of the next to the same host
are two moments, and of no regularity that could pass for a timer's."""
SESSIONS = 3


def no_session(stage: Stage) -> None:
    server = stage.server()
    for _ in range(REQUESTS):
        # What requests.get does.
        with session() as client:
            client.get(server.url)


def separate_pools(stage: Stage) -> None:
    server = stage.server()
    clients = [session() for _ in range(SESSIONS)]
    for _ in range(ROUNDS):
        for client in clients:
            client.get(server.url)
    for client in clients:
        client.close()


def concurrency(stage: Stage) -> None:
    server = stage.server(_waits_for(THREADS))
    with session() as client:
        for _ in range(ROUNDS):
            together(THREADS, lambda: client.get(server.url))


def pool_full(stage: Stage) -> None:
    server = stage.server(_waits_for(THREADS))
    with session(pool_maxsize=KEPT) as client:
        for _ in range(ROUNDS):
            together(THREADS, lambda: client.get(server.url))


def _waits_for(count: int) -> Script:
    """Answers when so many requests are waiting for it."""
    everybody = threading.Barrier(count, timeout=PATIENCE_S)

    def script(peer: Peer) -> None:
        for _ in peer.requests():
            everybody.wait()
            peer.send(response())

    return script


def pool_evicted(stage: Stage) -> None:
    servers = [stage.server() for _ in range(HOSTS)]
    with session(pool_connections=KEPT) as client:
        for server, pace_s in zip(servers * ROUNDS, cycle(PACES_S)):
            client.get(server.url)
            pause(pace_s)


def host_spelling(stage: Stage) -> None:
    server = stage.server()
    with session() as client:
        for _ in range(ROUNDS):
            client.get(f"http://127.0.0.1:{server.port}/")
            client.get(f"http://localhost:{server.port}/")


def redirect(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for request in peer.requests():
            if request.target == "/old":
                moved = f"Location: http://localhost:{server.port}/new"
                peer.send(response(moved, status="301 Moved Permanently"))
            else:
                peer.send(response())

    server = stage.server(script)
    with session() as client:
        for _ in range(ROUNDS):
            client.get(server.url + "/old")


SCENES = (
    Scene("no-session", no_session, "The client calls requests.get each time, which makes a Session and closes it."),
    Scene("concurrency", concurrency, f"{THREADS} threads share a Session, whose pool has room for all of them."),
    Scene(
        "pool-full",
        pool_full,
        f"{THREADS} threads share a Session whose pool keeps {KEPT} connections (pool_maxsize={KEPT}).",
        ("concurrency",),
    ),
    Scene(
        "pool-evicted",
        pool_evicted,
        f"A Session that keeps pools for {KEPT} hosts (pool_connections={KEPT}) goes round {HOSTS} of them.",
    ),
    Scene("separate-pools", separate_pools, f"{SESSIONS} Sessions, as of so many workers, take turns on one server."),
    Scene(
        "host-spelling",
        host_spelling,
        "The client calls one and the same server 127.0.0.1 and localhost, in turn.",
        ("address-fallback",),
    ),
    Scene(
        "redirect",
        redirect,
        "The server sends each request on to another of its own names, for which the client has no connection.",
        ("address-fallback",),
    ),
)
