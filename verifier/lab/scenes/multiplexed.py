"""HTTP/2, spoken by hand: frames of RFC 9113, and heads of the static table of RFC 7541 alone."""

from __future__ import annotations

import socket
from collections.abc import Callable

from verifier.lab.scene import Scene
from verifier.lab.stage import PATIENCE_S, Peer, Server, Stage

STREAMS = 3
CONNECTIONS = 4
FANNED_OUT = 4
REQUESTS = 3

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
FRAME_HEAD = 9

GET = b"\x82\x86\x84\x41\x0bapi.example"  # :method GET, :scheme http, :path /, :authority literal
OK = b"\x88"  # :status 200


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def read_frame(read: Callable[[int], bytes]) -> tuple[int, int]:
    """Type and stream of the next frame."""
    head = read(FRAME_HEAD)
    if not head:
        return GOAWAY, 0
    read(int.from_bytes(head[:3], "big"))
    return head[3], int.from_bytes(head[5:], "big")


def serve(peer: Peer, most_streams: int) -> None:
    """Answers so many streams, then says GOAWAY."""
    if not peer.read(len(PREFACE)):
        return
    peer.send(frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))
    while most_streams:
        kind, stream = read_frame(peer.read)
        if kind == GOAWAY:
            return
        if kind == HEADERS:
            most_streams -= 1
            peer.send(frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, END_STREAM, stream, b"ok"))
    peer.send(frame(GOAWAY, 0, 0, stream.to_bytes(4, "big") + bytes(4)))


class Client:
    """One connection, and its streams one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._in = sock.makefile("rb")
        self._stream = 1
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))

    def get(self) -> None:
        stream, self._stream = self._stream, self._stream + 2
        self._sock.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET))
        while read_frame(self._in.read) != (DATA, stream):
            pass

    def close(self) -> None:
        self._in.close()
        self._sock.close()


def h2_goaway(stage: Stage) -> None:
    server = stage.server(lambda peer: serve(peer, STREAMS))
    for _ in range(CONNECTIONS):
        client = Client(_open(server))
        for _ in range(STREAMS):
            client.get()
        server.wait_closed()
        client.close()


def alpn_fanout(stage: Stage) -> None:
    from verifier.lab.certificate import Certificates

    certificates = Certificates()
    ours, theirs = certificates.client(), certificates.server()
    ours.set_alpn_protocols(["h2", "http/1.1"])
    theirs.set_alpn_protocols(["h2"])
    server = stage.server(lambda peer: serve(peer, REQUESTS + 1), tls=theirs)
    opened = [_open(server) for _ in range(FANNED_OUT)]
    used, *unused = [ours.wrap_socket(sock, server_hostname=server.host) for sock in opened]
    for sock in unused:
        sock.close()
    client = Client(used)
    for _ in range(REQUESTS):
        client.get()
    client.close()


def _open(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), PATIENCE_S)


SCENES = (
    Scene(
        "h2-goaway",
        h2_goaway,
        f"An HTTP/2 server allows {STREAMS} requests for each connection, then says GOAWAY and closes.",
    ),
    Scene(
        "alpn-fanout",
        alpn_fanout,
        f"The client opens {FANNED_OUT} connections before it knows that the server speaks HTTP/2, and needs one.",
    ),
)
