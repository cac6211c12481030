"""What each scene leaves in the packets, as tshark sees it, and what the diagnosis makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from verifier import app
from verifier.errors import VerifierError
from verifier.judge.model import Finding
from verifier.judge.options import Expectations, Selection
from verifier.lab.clients import ask, connect
from verifier.lab.perform import Performance, perform, perform_all
from verifier.lab.scene import Scene
from verifier.lab.scenes import SCENES, announced, bodies, encrypted, faults, multiplexed, paths, pools, silent
from verifier.lab.stage import Peer, Stage
from verifier.sources.live import CaptureOptions

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="capturing is root's; test_namespace.py captures as an ordinary user"
)
needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="tshark is not installed: it reads the captures (apt-get install tshark)"
)

SYN, FIN_OR_RST, RST = 0x02, 0x05, 0x04


class Left(NamedTuple):
    """What a scene is to leave, apart from its last connection, which ends with the scene."""

    closes: str
    """Who closes first, and with what, on every connection; empty where nobody does."""
    requests: tuple[int, ...] | None
    """On each connection, in HTTP/1 that tshark reads."""


LEFT = {
    "no-session": Left("client FIN", (1,) * pools.REQUESTS),
    "concurrency": Left("client FIN", (pools.ROUNDS,) * pools.THREADS),
    "pool-full": Left("client FIN", None),
    "pool-evicted": Left("client FIN", (1,) * pools.HOSTS * pools.ROUNDS),
    "separate-pools": Left("client FIN", (pools.ROUNDS,) * pools.SESSIONS),
    "host-spelling": Left("client FIN", (pools.ROUNDS,) * 2),
    "redirect": Left("client FIN", (pools.ROUNDS,) * 2),
    "response-close-header": Left("server FIN", (2, 1, 3, 1)),
    "http10": Left("server FIN", (1,) * announced.REQUESTS),
    "server-never-keeps-alive": Left("server FIN", (1,) * announced.REQUESTS),
    "max-requests-announced": Left("server FIN", (3, 3, 3, 1)),
    "error-closes": Left("server FIN", (3, 2, 4, 1)),
    "request-close-header": Left("server FIN", (1,) * announced.REQUESTS),
    "server-idle-timeout": Left("server FIN", (2, 2, 2, 1)),
    "max-requests-silent": Left("server FIN", (3, 3, 3, 1)),
    "server-reset-idle": Left("server RST", (2, 2, 2, 1)),
    "keepalive-race": Left("server RST", (2, 2, 2, 1)),
    "unsolicited-response": Left("server FIN", (2, 2, 2, 1)),
    "body-unread": Left("client RST", (1,) * bodies.REQUESTS),
    "no-length": Left("server FIN", (1,) * bodies.REQUESTS),
    "short-body": Left("server FIN", (1,) * bodies.REQUESTS),
    "excess-bytes": Left("client RST", (1,) * bodies.REQUESTS),
    "early-response": Left("server FIN", None),
    "bodiless-quirk": Left("server FIN", (3, 2, 4, 1)),
    "client-idle-expiry": Left("client FIN", (2, 2, 2, 2)),
    "client-timeout": Left("client FIN", (2, 2, 2, 1)),
    "client-fault": Left("client FIN", (2, 2, 2, 2)),
    "fork": Left("client FIN", (2 * faults.FORKS,)),
    "tls-settings-differ": Left("client FIN", None),
    "tls-close-notify": Left("server FIN", None),
    "path-dropped": Left("", (2, 2, 1)),
    "proxy-tunnel": Left("client FIN", None),
    "connection-auth": Left("client FIN", (1, 3) * paths.SERVERS),
    "address-rotation": Left("client FIN", (paths.REQUESTS,) * len(paths.ADDRESSES)),
    "balancer-idle-timeout": Left("client FIN", (2, 2, 2, 2)),
    "h2-goaway": Left("server FIN", None),
    "alpn-fanout": Left("client FIN", None),
}
SEVERAL = {"server-restart", "address-fallback"}
"""Scenes whose connections end in several ways, with tests of their own."""

SILENCE_S = {
    "server-idle-timeout": silent.IDLE_S,
    "server-reset-idle": silent.IDLE_S,
    "unsolicited-response": silent.IDLE_S,
    "keepalive-race": silent.IDLE_S,
    "tls-close-notify": encrypted.IDLE_S,
    "client-idle-expiry": faults.EXPIRY_S,
    "client-timeout": faults.TIMEOUT_S,
    "balancer-idle-timeout": paths.IDLE_S,
}
LATE_S = 0.3
"""How late a thread may be, on a busy machine."""


MEASURED: dict[str, tuple[str, float]] = {
    "server-idle-timeout": ("server idle timeout", silent.IDLE_S),
    "server-reset-idle": ("server idle timeout", silent.IDLE_S),
    "tls-close-notify": ("server idle timeout", encrypted.IDLE_S),
    "client-idle-expiry": ("client idle expiry", faults.EXPIRY_S),
    "balancer-idle-timeout": ("balancer idle timeout", paths.IDLE_S),
    "client-timeout": ("client timeout", faults.TIMEOUT_S),
    "max-requests-announced": ("max requests", announced.MOST_REQUESTS),
    "max-requests-silent": ("max requests", silent.MOST_REQUESTS),
}


class Talk:
    """One connection as tshark's lines have it."""

    def __init__(self, server_port: str) -> None:
        self.server_port = server_port
        self.requests = 0
        self.closes = ""
        self.closed_at = 0.0
        self.silence_s = 0.0
        """The longest time without payload before the first close, or before what was the last."""
        self.sent = {"client": 0, "server": 0}
        """Segments with payload up to the first close."""
        self._last = 0.0

    def take(self, port: str, flags: int, length: int, at: float) -> None:
        sender = "server" if port == self.server_port else "client"
        closes = flags & FIN_OR_RST
        if self.closes or not (length or closes):
            return
        if self._last:
            self.silence_s = max(self.silence_s, at - self._last)
        self._last = at
        self.sent[sender] += bool(length)
        if closes:
            self.closes = f"{sender} {'RST' if flags & RST else 'FIN'}"
            self.closed_at = at


def talks(path: Path) -> list[Talk]:
    fields = ("tcp.stream", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len", "frame.time_epoch")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=/t"]
    for field in (*fields, "http.request.method"):
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Talk] = {}
    for line in done.stdout.splitlines():
        stream, source, target, flags, length, at, methods = line.split("\t")
        talk = found.setdefault(stream, Talk(target))
        talk.take(source, int(flags, 16), int(length), float(at))
        talk.requests += len(methods.split(",")) if methods else 0
    return list(found.values())


class Evening(NamedTuple):
    """All scenes, played once for all tests."""

    performances: dict[str, Performance]
    folder: Path

    def talks(self, cause: str) -> list[Talk]:
        return talks(self.folder / f"{cause}.pcapng")


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Evening:
    folder = tmp_path_factory.mktemp("scenes")
    played = perform_all(list(SCENES.values()), "lo", str(folder))
    return Evening({performance.scene.cause: performance for performance in played}, folder)


def test_each_scene_has_its_expectation() -> None:
    assert set(LEFT) | SEVERAL == set(SCENES)


@needs_tshark
@pytest.mark.parametrize("cause", LEFT)
def test_how_connections_end(evening: Evening, cause: str) -> None:
    left, found = LEFT[cause], evening.talks(cause)
    assert {talk.closes for talk in found[:-1]} <= {left.closes}
    if left.requests is not None:
        assert tuple(talk.requests for talk in found) == left.requests


@needs_tshark
@pytest.mark.parametrize("cause", SILENCE_S)
def test_how_long_they_are_silent(evening: Evening, cause: str) -> None:
    for talk in evening.talks(cause)[:-1]:
        assert SILENCE_S[cause] - 0.01 <= talk.silence_s <= SILENCE_S[cause] + LATE_S


@needs_tshark
def test_a_restart_closes_all_at_once_and_refuses(evening: Evening) -> None:
    found = evening.talks("server-restart")
    workers = silent.WORKERS
    before, refused, after = found[:workers], found[workers : 2 * workers], found[2 * workers :]
    assert [talk.closes for talk in before] == ["server FIN"] * workers
    assert max(talk.closed_at for talk in before) - min(talk.closed_at for talk in before) < LATE_S
    assert [(talk.closes, talk.requests) for talk in refused] == [("server RST", 0)] * workers
    assert [talk.requests for talk in after] == [1] * workers


@needs_tshark
def test_a_fallback_is_refused_first(evening: Evening) -> None:
    found = evening.talks("address-fallback")
    assert [(talk.closes, talk.requests) for talk in found] == [("server RST", 0), ("client FIN", paths.REQUESTS)] * 2


@needs_tshark
def test_a_full_pool_discards_all_but_those_it_keeps(evening: Evening) -> None:
    found = evening.talks("pool-full")
    assert len(found) == pools.THREADS + (pools.ROUNDS - 1) * (pools.THREADS - pools.KEPT)
    assert sum(talk.requests for talk in found) == pools.THREADS * pools.ROUNDS


@needs_tshark
def test_of_a_fan_out_one_connection_is_used(evening: Evening) -> None:
    used, *unused = evening.talks("alpn-fanout")
    assert len(unused) == multiplexed.FANNED_OUT - 1
    # Hello, and key exchange with Finished: two of the client, nothing after.
    assert {talk.sent["client"] for talk in unused} == {2}
    assert used.sent["client"] > 2 + multiplexed.REQUESTS


@needs_tshark
def test_what_is_dropped_is_sent_again_and_never_acknowledged(evening: Evening) -> None:
    *dropped, last = evening.talks("path-dropped")
    assert len(dropped) == paths.DROPPED
    assert all(talk.sent["client"] > 2 and talk.sent["server"] == 1 for talk in dropped)
    assert (last.closes, last.sent["client"]) == ("client FIN", 1)


@needs_tshark
def test_two_processes_wait_on_one_socket(evening: Evening) -> None:
    (shared,) = evening.talks("fork")
    assert shared.sent == {"client": 2 * faults.FORKS, "server": faults.FORKS}


@pytest.mark.parametrize("cause", SCENES)
def test_the_diagnosis_names_it(evening: Evening, cause: str) -> None:
    performance = evening.performances[cause]
    assert performance.diagnosed == cause
    assert {finding.cause for finding in performance.report.findings} <= {cause, *SCENES[cause].besides}


@pytest.mark.parametrize("cause", MEASURED)
def test_the_diagnosis_measures_the_limit(evening: Evening, cause: str) -> None:
    name, limit = MEASURED[cause]
    finding = evening.performances[cause].finding
    assert finding is not None
    assert [measured.name for measured in finding.measured] == [name]
    assert finding.measured[0].value == pytest.approx(limit, abs=0 if limit >= 1 else LATE_S)


@pytest.mark.parametrize("cause", SCENES)
def test_the_saved_capture_says_the_same(evening: Evening, cause: str) -> None:
    saved = app.analyze([str(evening.folder / f"{cause}.pcapng")], Selection(), Expectations())
    assert said(saved.findings) == said(evening.performances[cause].report.findings)


def said(findings: tuple[Finding, ...]) -> list[Finding]:
    """With the connections as numbers, in whatever they are kept."""
    return [finding._replace(connections=tuple(finding.connections)) for finding in findings]


def test_a_client_that_fails_is_one_line() -> None:
    def play(stage: Stage) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(VerifierError, match="the scene no-session did not go as it is written: ConnectionRefused"):
        perform(Scene("no-session", play, ""), CaptureOptions("lo", None), Expectations())


def test_a_script_that_fails_is_one_line() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        raise ValueError("the script")

    def play(stage: Stage) -> None:
        ask(connect(stage.server(script)))

    with pytest.raises(VerifierError, match="a server of the scene failed: ValueError"):
        perform(Scene("no-session", play, ""), CaptureOptions("lo", None), Expectations())
