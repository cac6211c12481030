"""What stands between client and server: addresses, proxies, balancers, logins of connections, boxes that forget."""

from __future__ import annotations

import errno
import socket
from base64 import b64encode
from http.client import HTTPConnection

from verifier.lab.clients import ask, connect, fails, pause, refused, session
from verifier.lab.scene import Scene
from verifier.lab.stage import PATIENCE_S, Peer, Stage, keep_alive, response

IDLE_S = 0.3
TIMEOUT_S = 0.7
DROPPED = 2
LATER_S = (0.1, 0.2, 0.15, 0.0)
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
REQUESTS = 3
SERVERS = 3


def path_dropped(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(response())
        if peer.number < DROPPED:
            peer.deafen()
        keep_alive(peer)

    server = stage.server(script)
    with session() as client:
        client.get(server.url)
        for _ in range(DROPPED):
            pause(IDLE_S)
            fails(lambda: client.get(server.url, timeout=TIMEOUT_S))
            client.get(server.url)


def address_fallback(stage: Stage) -> None:
    first = "::1" if _has("::1") else ADDRESSES[1]
    for server in (stage.server(), stage.server()):
        refused(first, server.port)
        client = connect(server)
        for _ in range(REQUESTS):
            ask(client)
        client.close()


def _has(address: str) -> bool:
    try:
        socket.create_server((address, 0), family=socket.AF_INET6).close()
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        return False
    return True


def address_rotation(stage: Stage) -> None:
    port = stage.server().port
    for address in ADDRESSES[1:]:
        stage.server(host=address, port=port)
    with session() as client:
        for address in ADDRESSES:
            for _ in range(REQUESTS):
                client.get(f"http://{address}:{port}/", headers={"Host": "api.example"})


def proxy_tunnel(stage: Stage) -> None:
    def proxy(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        # Here the proxy is what it leads to, as well.
        keep_alive(peer)

    server = stage.server(proxy)
    for _ in range(REQUESTS):
        client = HTTPConnection(server.host, server.port, timeout=PATIENCE_S)
        client.set_tunnel("api.example", 80, {"Proxy-Connection": "keep-alive"})
        ask(client)
        client.close()


def balancer_idle_timeout(stage: Stage) -> None:
    server = stage.server()
    for number, later_s in enumerate(LATER_S, start=1):
        balancer = connect(server)
        for _ in range(2):
            ask(balancer, "/", {"X-Forwarded-For": f"203.0.113.{number}", "Via": "1.1 balancer"})
        pause(IDLE_S)
        balancer.close()
        pause(later_s)


def connection_auth(stage: Stage) -> None:
    def script(peer: Peer) -> None:
        logged_in = False
        for request in peer.requests():
            logged_in = logged_in or _token(3) in request.head
            if logged_in:
                peer.send(response())
            else:
                challenge = f"NTLM {_token(2)}" if _token(1) in request.head else "NTLM"
                peer.send(response(f"WWW-Authenticate: {challenge}", status="401 Unauthorized"))

    for server in [stage.server(script) for _ in range(SERVERS)]:
        anonymous = connect(server)
        ask(anonymous)
        known = connect(server)
        for step in (1, 3):
            ask(known, "/", {"Authorization": f"NTLM {_token(step)}"})
        ask(known)
        for connection in (anonymous, known):
            connection.close()


def _token(step: int) -> str:
    """The beginning of an NTLM message ([MS-NLMP] 2.2.1): 1 negotiates, 2 challenges, 3 authenticates."""
    return b64encode(b"NTLMSSP\0" + step.to_bytes(4, "little") + bytes(20)).decode()


SCENES = (
    Scene(
        "path-dropped",
        path_dropped,
        f"Between client and server a connection is forgotten that was idle for {IDLE_S} s: all that is sent is lost.",
    ),
    Scene(
        "address-fallback",
        address_fallback,
        "The name of the server has two addresses, of which the first refuses and the second serves.",
    ),
    Scene("proxy-tunnel", proxy_tunnel, "The client asks its proxy for a new tunnel (CONNECT) for each request."),
    Scene(
        "connection-auth",
        connection_auth,
        "The server wants NTLM, which logs in a connection, not a request: the client opens one of its own for it.",
    ),
    Scene(
        "address-rotation",
        address_rotation,
        f"The name of the server leads to {len(ADDRESSES)} addresses, one after the other.",
    ),
    Scene(
        "balancer-idle-timeout",
        balancer_idle_timeout,
        f"The client is a load balancer, which closes connections to its target that were idle for {IDLE_S} s.",
    ),
)
