"""Clients that end connections themselves: by a timer, for want of patience, by mistake."""

from __future__ import annotations

import socket
import subprocess
import sys

from verifier.lab.clients import ask, connect, fails, pause, session
from verifier.lab.scene import Scene
from verifier.lab.stage import PATIENCE_S, Peer, Stage, response

CONNECTIONS = 4
EXPIRY_S = 0.3
LATER_S = (0.1, 0.2, 0.15, 0.0)
TIMEOUT_S = 0.2
FORKS = 3


def client_idle_expiry(stage: Stage) -> None:
    server = stage.server()
    for later_s in LATER_S:
        client = connect(server)
        ask(client)
        ask(client)
        pause(EXPIRY_S)
        client.close()
        pause(later_s)


def client_timeout(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        for request in peer.requests():
            if request.target == "/slow":
                peer.until_closed()
            peer.send(response())

    server = stage.server(script)
    with session() as client:
        for _ in range(CONNECTIONS - 1):
            client.get(server.url)
            fails(lambda: client.get(server.url + "/slow", timeout=TIMEOUT_S))
        client.get(server.url)


def client_fault(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(response())
        peer.request()
        peer.until_closed()

    server = stage.server(script)
    for _ in range(CONNECTIONS):
        client = connect(server)
        ask(client)
        client.request("GET", "/")
        client.close()


def fork(stage: Stage) -> None:
    from requests.utils import default_user_agent

    # As requests writes it, which never sends a second one before the response.
    request = f"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {default_user_agent()}\r\n\r\n"

    def script(peer: Peer) -> None:
        # Each process waits for its own response, and neither knows that the other asked, too.
        while peer.request() is not None and peer.request() is not None:
            peer.send(response() + response())

    server = stage.server(script)
    with socket.create_connection((server.host, server.port), PATIENCE_S) as shared:
        for _ in range(FORKS):
            shared.sendall(request.encode())
            child = (sys.executable, "-I", "-S", "-c", _CHILD, str(shared.fileno()), request)
            subprocess.run(child, pass_fds=(shared.fileno(),), check=True)
            shared.recv(2 * len(response()), socket.MSG_WAITALL)


_CHILD = "import os, sys; os.write(int(sys.argv[1]), sys.argv[2].encode())"

SCENES = (
    Scene(
        "client-idle-expiry",
        client_idle_expiry,
        f"The client closes what was idle for {EXPIRY_S} s in its pool; the server would have kept it.",
    ),
    Scene(
        "client-timeout",
        client_timeout,
        f"The client waits {TIMEOUT_S} s for a response, gives up and closes; the server answers later.",
    ),
    Scene(
        "client-fault",
        client_fault,
        "The client closes each connection at its second request, without waiting for the response.",
    ),
    Scene("fork", fork, "Two processes of the client, one forked from the other, send on one and the same socket."),
)
