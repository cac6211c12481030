"""Real clients against real servers, captured live: the cause, and the limits that the packets give away.

Each case has servers of its own, and is captured by itself. Those that are to be tested are played several at a time,
in processes of their own, so that no client is late because of another; a test waits for its own.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import real_clients as clients
from real_app import PATIENCE_S
from real_clients import CLIENTS, Bench, Use, browses, gets, idles
from real_servers import (
    CURL,
    LOOPBACK,
    Needs,
    Server,
    gthread,
    gunicorn,
    http_server,
    http_server_11,
    nginx,
    nginx_tls,
    node,
    uvicorn,
    werkzeug,
)

from verifier import app
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.sources.frames import Frames
from verifier.sources.live import CaptureOptions, LiveCapture
from verifier.vocabulary import Reason, Verdict

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="capturing is root's; test_namespace.py captures as an ordinary user"
)

AT_ONCE = 6
"""Cases under way at the same time: most of them wait for a server's timeout."""
BUFFER_BYTES = 32 << 20
CLOSING_DEADLINE_S = 0.5
IDLE_S = 1.0
"""What servers are told to keep idle connections for: the least that most can be told."""
LATE_S = 0.3
"""How late a timer's close may be, on a busy machine."""

FIN_OR_RST = 0x05


class Expected(NamedTuple):
    """What a report is to say. Nothing at all where `cause` is None."""

    cause: str | None = None
    confidence: str | None = "certain"
    """None where it depends on what the client's kernel had not handed over yet: then it closes with RST."""
    blame: str = "server"
    extra: int | None = None
    measured: tuple[str, float] | None = None
    """Name and value of the limit."""
    within: float = 0.0
    """How much more it may measure."""
    advice: tuple[str, ...] = ()
    """Words that it has to have."""
    instead: tuple[str, ...] = ()
    """Causes that may be named in its place, as `consistent`: who closes first is chance, and what was said hidden."""


WELL = Expected()


class Case(NamedTuple):
    servers: tuple[Server, ...]
    use: Use
    expected: Expected


class Seen:
    """Takes the packets of a case as they come: Ethernet, IPv4 without options."""

    def __init__(self) -> None:
        self.engine = app.new_engine()
        self.closed: set[int] = set()
        """The client ports of connections that somebody has closed."""
        self.ports: set[int] = set()
        """Those of the servers."""

    def __call__(self, frames: Frames) -> None:
        for data, *_ in frames:
            if data[12:14] == b"\x08\x00" and data[47] & FIN_OR_RST:
                ports = {int.from_bytes(data[34:36], "big"), int.from_bytes(data[36:38], "big")}
                self.closed |= ports - self.ports
        frames.rewind()
        self.engine.read(frames)


def play(name: str, folder: Path) -> str:
    """The path of the saved capture of a case."""
    case, seen, path = CASES[name], Seen(), folder / "capture.pcapng"
    with ExitStack() as stack:
        folders = tuple(folder / str(number) for number in range(len(case.servers)))
        urls = []
        for server, own in zip(case.servers, folders, strict=True):
            own.mkdir(parents=True)
            urls.append(stack.enter_context(server.start(own)))
            wait_until_up(urls[-1])
        seen.ports |= {port_of(url) for url in urls}
        options = CaptureOptions("lo", str(path), ports=frozenset(seen.ports), buffer_bytes=BUFFER_BYTES)
        capture = stack.enter_context(LiveCapture(options, seen))

        closes = itertools.count(1)

        def wait_closed() -> None:
            wanted = next(closes)
            closed = capture.wait_until(lambda: len(seen.closed) >= wanted, PATIENCE_S)
            assert closed, f"nobody closed connection {wanted} within {PATIENCE_S} s"

        case.use(Bench(tuple(urls), folders, wait_closed))
        capture.wait_until(lambda: seen.engine.open_connections == 0, CLOSING_DEADLINE_S)
        source, live = capture.drain()
    assert (live.opened, live.drained, source.dropped) == (True, True, 0)
    return str(path)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


def wait_until_up(url: str) -> None:
    """Has a server answer once, before anything is captured: some take a second for it."""
    with socket.create_connection((LOOPBACK, port_of(url)), PATIENCE_S) as sock:
        sock.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        assert sock.recv(65536)
        # To the end, so that nothing of it is left to be captured.
        while sock.recv(65536):
            pass


# -- the cases

CASES: dict[str, Case] = {}


def case(name: str, use: Use, expected: Expected, *on: Server) -> None:
    assert name not in CASES
    CASES[name] = Case(on, use, expected)


RAISE = {
    "nginx": "raise `keepalive_timeout`",
    "gunicorn": "--keep-alive SECONDS",
    "uvicorn": "--timeout-keep-alive SECONDS",
    "http.server": "`timeout` attribute of the request handler class",
    "node": "Raise the server's idle timeout",  # it does not name itself
}
SHORTER = {
    "requests": "requests has no expiry of its own",
    "urllib3": "urllib3 has no expiry of its own",
    "httpx": "httpx.Limits(keepalive_expiry=...)",
    "aiohttp": "TCPConnector(keepalive_timeout=...)",
    "curl": "CURLOPT_MAXAGE_CONN",
}
IDLE = (
    (nginx("keepalive_timeout 1s;"), LATE_S),
    (gthread("--keep-alive", "1"), LATE_S),
    (uvicorn("--timeout-keep-alive", "1"), LATE_S),
    (http_server_11(IDLE_S), LATE_S),
    (node("{keepAliveTimeout: 1000}"), 1.0 + LATE_S),  # newer ones add a second of their own
)
KEEPING = (nginx(), gthread("--keep-alive", "60"), uvicorn(), http_server_11(), node())

for _client, _get in CLIENTS.items():
    for _server, _late in IDLE:
        case(
            f"{_client} outlives {_server.name}",
            idles(_get, IDLE_S + _late + 0.2),
            Expected(
                "server-idle-timeout",
                extra=2,
                measured=("server idle timeout", IDLE_S),
                within=_late,
                advice=(RAISE[_server.name], SHORTER[_client]),
            ),
            _server,
        )
    for _server in KEEPING:
        case(f"{_client} keeps {_server.name}", browses(_get), WELL, _server)
    case(
        f"{_client} exceeds nginx",
        gets(_get, 12),
        Expected(
            "max-requests-announced", extra=2, measured=("max requests", 5), advice=("raise `keepalive_requests`",)
        ),
        nginx("keepalive_requests 5;"),
    )
    case(
        f"{_client} on gunicorn sync",
        gets(_get, 4),
        Expected("server-never-keeps-alive", extra=3, advice=("-k gthread --threads N",)),
        gunicorn("--keep-alive", "5"),
    )
    case(
        f"{_client} on http.server",
        gets(_get, 4),
        Expected("http10", extra=3, advice=('`protocol_version = "HTTP/1.1"`',)),
        http_server(),
    )
    case(f"{_client} keeps TLS", gets(_get, 4), WELL, nginx_tls())
    case(
        f"{_client} exceeds nginx over TLS",
        gets(_get, 12),
        Expected(
            "max-requests-announced",
            "consistent",
            measured=("max requests", 5),
            instead=("no-session", "tls-close-notify", "tls-settings-differ"),
        ),
        nginx_tls("keepalive_requests 5;"),
    )

case("curl keeps HTTP/2", gets(clients.by_curl, 8), WELL, nginx_tls(listen="ssl http2"))
case(
    "curl exceeds HTTP/2",
    gets(clients.by_curl, 12),
    Expected("h2-goaway", "consistent", advice=("Raise the server's limit of requests",)),
    nginx_tls("keepalive_requests 5;", versions="TLSv1.2", listen="ssl http2"),
)
case(
    "nginx reloads",
    clients.threads_meet_a_reload,
    Expected("server-restart", "consistent", extra=3, advice=("Reload nginx", "HTTPAdapter(max_retries=Retry(")),
    nginx(),
)
case(
    "keepalive_timeout 0",
    gets(clients.by_requests, 6),
    Expected("server-never-keeps-alive", "consistent", extra=5, advice=("`keepalive_timeout 0`",)),
    nginx("keepalive_timeout 0;"),
)
case(
    "keepalive_timeout 0, seen twice",
    gets(clients.by_httpx, 2),
    Expected("response-close-header", "consistent", extra=1, advice=("`keepalive_timeout 0`",)),
    nginx("keepalive_timeout 0;"),
)
case(
    "400 closes",
    clients.cookies_too_large,
    Expected("error-closes", blame="client", extra=2, advice=("Mend the requests that get the error",)),
    nginx(),
)
case(
    "413 before the upload is done",
    clients.uploads_too_large,
    Expected("early-response", extra=2, advice=("`client_max_body_size`",)),
    nginx("client_max_body_size 1k;"),
)
case(
    "413 to what curl expects",
    clients.curl_uploads_too_large,
    Expected("early-response", extra=2, advice=("`client_max_body_size`", "Expect: 100-continue")),
    nginx("client_max_body_size 1k;"),
)
case(
    "werkzeug",
    gets(clients.by_requests, 4),
    Expected("server-never-keeps-alive", extra=3, advice=("gunicorn (`-k gthread`)",)),
    werkzeug(),
)
case(
    "node maxRequestsPerSocket",
    gets(clients.by_requests, 7),
    Expected("max-requests-announced", extra=2, measured=("max requests", 3), advice=("Raise the server's limit",)),
    node("{maxRequestsPerSocket: 3}"),
)


def ours(cause: str, extra: int | None, *advice: str, confidence: str | None = "certain") -> Expected:
    """A cause that is the client's."""
    return Expected(cause, confidence, "client", extra, advice=advice)


def unread(extra: int | None, *advice: str) -> Expected:
    return ours("body-unread", extra, *advice, confidence=None)


def gives_up(*advice: str) -> Expected:
    return ours("client-timeout", 3, *advice)._replace(measured=("client timeout", clients.TIMEOUT_S), within=LATE_S)


case("requests.get", clients.without_session, ours("no-session", 3, "Make one requests.Session()"), nginx())
case("Session for each call", clients.session_for_each_call, ours("no-session", 3, "requests.Session()"), uvicorn())
case("PoolManager for each call", clients.pool_manager_for_each_call, ours("no-session", 3, "PoolManager()"), nginx())
case("httpx.get", clients.httpx_for_each_call, ours("no-session", 3, "Make one httpx.Client()"), nginx())
case(
    "ClientSession for each call",
    clients.aiohttp_session_for_each_call,
    ours("no-session", 3, "Make one aiohttp.ClientSession()"),
    uvicorn(),
)
case("curl for each URL", clients.curl_for_each_url, ours("no-session", 3, "one curl command all URLs"), nginx())
case(
    "requests.get over TLS",
    clients.without_session_over_tls,
    Expected("no-session", "consistent", "client", 3),
    nginx_tls(),
)

case("four threads and room for four", clients.threads_share_a_session, WELL, gthread())
case("four requests at once by aiohttp", clients.aiohttp_all_at_once, WELL, uvicorn())
case("four requests at once by httpx", clients.httpx_all_at_once, WELL, gthread())
case("three requests at once by curl", clients.curl_in_parallel, WELL, nginx())
case(
    "four threads and room for two",
    clients.threads_overflow_a_pool,
    ours("pool-full", 4, "HTTPAdapter(pool_maxsize=N)"),
    uvicorn(),
)
case(
    "threads with a Session each",
    clients.threads_with_a_session_each,
    ours("separate-pools", 2, "Share one Session among threads"),
    nginx(),
)
case("unread by requests", clients.streams_closed_unread, unread(2, "stream=True", "drain_conn()"), nginx())
case(
    "left open by requests",
    clients.streams_left_open,
    unread(2, "stream=True"),
    nginx(),
)
case("unread by urllib3", clients.urllib3_leaves_unread, unread(2, "response.drain_conn()"), nginx())
case("unread by httpx", clients.httpx_leaves_unread, unread(2, "client.stream(...)"), uvicorn())
case("unread by aiohttp", clients.aiohttp_leaves_unread, unread(2, "await response.read()"), nginx())

case("requests gives up", clients.requests_times_out, gives_up("timeout=(connect, read)"), uvicorn())
case("urllib3 gives up", clients.urllib3_times_out, gives_up("urllib3.Timeout"), uvicorn())
case("httpx gives up", clients.httpx_times_out, gives_up("httpx.Timeout(read=SECONDS)"), node())
case("aiohttp gives up", clients.aiohttp_times_out, gives_up("aiohttp.ClientTimeout"), uvicorn())
case("curl gives up", clients.curl_times_out, gives_up("--max-time"), uvicorn())

case(
    "httpx expires",
    clients.httpx_expires,
    ours("client-idle-expiry", 3, "keepalive_expiry=SECONDS", confidence="consistent"),
    nginx(),
)
case(
    "aiohttp expires",
    clients.aiohttp_expires,
    ours("client-idle-expiry", 2, "TCPConnector(keepalive_timeout=SECONDS)")._replace(
        measured=("client idle expiry", clients.EXPIRY_S), within=LATE_S
    ),
    nginx(),
)
case(
    "urllib3 with one pool",
    clients.urllib3_has_few_pools,
    ours("pool-evicted", None, "PoolManager(num_pools=N)", confidence="consistent"),
    nginx(),
    nginx(),
)
case(
    "requests with one pool",
    clients.requests_has_few_pools,
    ours("pool-evicted", None, "HTTPAdapter(pool_connections=N)", confidence="consistent"),
    nginx(),
    nginx(),
)
case(
    "forked",
    clients.requests_is_forked,
    ours("fork", 0, "Make the requests.Session in each worker", confidence="consistent"),
    nginx(),
)
case(
    "two names",
    clients.requests_names_the_server_twice,
    ours("host-spelling", 1, "Write the server's name in one way"),
    nginx(),
)
case(
    "redirected by another",
    clients.requests_follows_elsewhere,
    ours("redirect", 0, "Ask for the final URL at once"),
    nginx(),
    nginx(),
)
case(
    "Connection: close of requests",
    clients.requests_asks_for_a_close,
    ours("request-close-header", 3, "headers={'Connection': 'close'}"),
    nginx(),
)
case(
    "force_close of aiohttp",
    clients.aiohttp_forces_a_close,
    ours("request-close-header", 3, "TCPConnector(force_close=True)"),
    uvicorn(),
)
case("HTTP/1.0 of curl", clients.curl_in_http10, Expected("http10", blame="client", extra=3), nginx())

for _versions in ("TLSv1.2", "TLSv1.3"):
    for _client, _get in CLIENTS.items():
        case(
            f"{_client} outlives {_versions}",
            idles(_get, IDLE_S + LATE_S + 0.2),
            Expected(
                "tls-close-notify",
                extra=2,
                measured=("server idle timeout", IDLE_S),
                within=LATE_S,
                advice=("raise it above the client's pauses",),
            ),
            nginx_tls("keepalive_timeout 1s;", versions=_versions),
        )
case(
    "verify differs",
    clients.requests_trusts_differently,
    ours("tls-settings-differ", None, confidence="consistent"),
    nginx_tls(),
)


# -- the tests


def unplayable(name: str) -> str | None:
    """What is missing here for a case."""
    needs = [need for server in CASES[name].servers for need in server.needs]
    needs += [CURL] if "curl" in name else []
    if name.startswith("curl outlives") and not clients.curl_can_pause():
        return "this curl has no --rate: 7.84 is the first that has"
    return next((reason for reason in map(Needs.reason, needs) if reason), None)


class Plays(NamedTuple):
    """The first capture of each case, and another one where that is asked for."""

    first: dict[str, Future[str]]
    again: Callable[[str, int], Future[str]]


TURNS = 3
"""How often a case may be played: real programs on a busy machine are late now and then. What is wrong is so always."""


@pytest.fixture(scope="module")
def captures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """The captures of the cases that are to be tested, as soon as they are there."""
    patch = pytest.MonkeyPatch()
    # Proxies, and certificates that requests would prefer to those of a Session.
    for name in ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)
    folder = tmp_path_factory.mktemp("cases")
    items = [
        item for item in request.session.items if isinstance(item, pytest.Function) and "captures" in item.fixturenames
    ]
    wanted = {item.callspec.params["name"] for item in items if item.path == request.path}
    processes = ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("spawn"))

    def playing(name: str, turn: int = 0) -> Future[str]:
        plain = "".join(letter if letter.isalnum() else "-" for letter in name)
        return processes.submit(play, name, folder / f"{plain}-{turn}")

    try:
        yield Plays({name: playing(name) for name in CASES if name in wanted and not unplayable(name)}, playing)
    finally:
        processes.shutdown(cancel_futures=True)
        patch.undo()


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, captures: Plays) -> None:
    if lacking := unplayable(name):
        pytest.skip(lacking)
    playing = captures.first[name]
    for turn in range(1, TURNS):
        try:
            assert_expected(name, playing)
        except (AssertionError, ValueError):
            playing = captures.again(name, turn)
        else:
            return
    assert_expected(name, playing)


def assert_expected(name: str, playing: Future[str]) -> None:
    report = app.analyze([playing.result(3 * PATIENCE_S)], Selection(), Expectations())
    expected = CASES[name].expected
    if expected.cause is None:
        assert_nothing_found(report)
    else:
        assert_found(expected, report)


def assert_nothing_found(report: Report) -> None:
    assert report.findings == ()
    assert {cause for pair in report.pairs for cause in pair.causes} <= {"concurrency"}
    assert (report.totals.extra_handshakes, report.totals.handshakes > 0) == (0, True)
    # Inside TLS the requests can't be counted.
    unread = {missing.code for missing in report.inconclusive_because} == {Reason.REQUESTS_UNREADABLE}
    assert report.verdict is (Verdict.INCONCLUSIVE if unread else Verdict.PROVED)


def assert_found(expected: Expected, report: Report) -> None:
    if {found.cause for found in report.findings} & set(expected.instead):
        assert {found.confidence for found in report.findings} == {"consistent"}
        assert {found.cause for found in report.findings} <= {expected.cause, *expected.instead}
        return
    (finding, *others) = report.findings
    assert {other.cause for other in others} <= {expected.cause}, others
    assert (finding.cause, finding.blame) == (expected.cause, expected.blame)
    assert finding.confidence == (expected.confidence or finding.confidence)
    if expected.extra is not None:
        assert sum(each.extra for each in report.findings) == report.totals.extra_handshakes == expected.extra
    assert [word for word in expected.advice if word not in finding.advice] == []
    if expected.measured is None:
        assert finding.measured == ()
    else:
        (measured,) = finding.measured
        name, value = expected.measured
        assert measured.name == name
        assert value * 0.99 <= measured.value <= value + expected.within
