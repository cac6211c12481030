"""What is different inside TLS."""

from __future__ import annotations

import contextlib
import ssl

from verifier.lab.clients import outlast, session
from verifier.lab.scene import Scene
from verifier.lab.stage import Peer, Stage, response

IDLE_S = 0.3
PAUSES_S = (0.05, 0.15, 0.1)
ROUNDS = 3


def tls_settings_differ(stage: Stage) -> None:
    from verifier.lab.certificate import Certificates

    certificates = Certificates()
    server = stage.server(tls=certificates.server())
    with certificates.authority_file() as one, certificates.authority_file() as another, session() as client:
        for _ in range(ROUNDS):
            client.get(server.url, verify=one)
            client.get(server.url, verify=another)


def tls_close_notify(stage: Stage) -> None:
    from verifier.lab.certificate import Certificates

    def script(peer: Peer) -> None:
        for _ in peer.requests(within=IDLE_S):
            peer.send(response())
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.sock.setblocking(False)
        # Nobody waits for the client's own alert, and a client that has closed wants none of ours.
        with contextlib.suppress(ssl.SSLError):
            peer.sock.unwrap()

    certificates = Certificates()
    server = stage.server(script, tls=certificates.server())
    with certificates.authority_file() as authority, session() as client:
        client.verify = authority
        outlast(client, server, PAUSES_S)


SCENES = (
    Scene(
        "tls-settings-differ",
        tls_settings_differ,
        "The client names another file of trusted authorities (verify=) with every second request of its Session.",
    ),
    Scene(
        "tls-close-notify",
        tls_close_notify,
        f"The server ends TLS (close_notify) on a connection that was idle for {IDLE_S} s, and closes it.",
    ),
)
