"""Hand-made reports, for the tests of everything that reads one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from verifier.judge.model import (
    Connection,
    Endpoint,
    Evidence,
    Exchange,
    Expectation,
    Finding,
    Frames,
    Measured,
    Missing,
    Note,
    Pair,
    Report,
    RunRequest,
    Tls,
    Totals,
)
from verifier.opinion.model import Count, Difference, Opinion, Rule, What
from verifier.sources.facts import LiveFacts, Source
from verifier.vocabulary import ClosedWith, Closer, Handshake, Protocol, Reason, Reuse, Verdict

START = 1_700_000_000_000_000_000
MS = 1_000_000
CLIENT = "127.0.0.1"
SERVER = Endpoint("127.0.0.1", 8080)


class Listed(NamedTuple):
    """Details held as lists, where the judge reads them from its tables."""

    all_connections: tuple[Connection, ...] = ()
    all_exchanges: tuple[Exchange, ...] = ()

    def connections(self) -> Iterator[Connection]:
        return iter(self.all_connections)

    def exchanges(self) -> Iterator[Exchange]:
        return iter(self.all_exchanges)

    def connection(self, number: int) -> Connection:
        return self.all_connections[number]


class Counted:
    """Details of any number of connections, each with one request, that count how many were asked for."""

    def __init__(self, number: int, extra: bool = True, pair: Callable[[int], int] = lambda number: 0) -> None:
        self.number = number
        self.made = 0
        self.cause = "unknown" if extra else None
        self.pair = pair

    def connections(self) -> Iterator[Connection]:
        for index in range(self.number):
            yield self.connection(index)

    def exchanges(self) -> Iterator[Exchange]:
        for index in range(self.number):
            self.made += 1
            yield exchange(index, 1, frame=10 * index + 4)

    def connection(self, number: int) -> Connection:
        self.made += 1
        made = connection(number, 10 * number + 1, cause=self.cause if number else None)
        return made._replace(pair=self.pair(number))


def connection(number: int, syn: int, requests: int = 1, cause: str | None = None) -> Connection:
    """A connection whose handshake is the three frames from `syn` on, and that the client closes."""
    opened = START + number * 10 * MS
    return Connection(
        id=number,
        pair=0,
        client=Endpoint(CLIENT, 50_000 + number),
        server=SERVER,
        opened_ns=opened,
        closed_ns=opened + 9 * MS,
        handshake=Handshake.COMPLETE,
        handshake_ns=210_000,
        tls_ns=None,
        requests=requests,
        responses=requests,
        first_closer=Closer.CLIENT,
        closed_with=ClosedWith.FIN,
        history="ShADadFf",
        protocol=Protocol.HTTP1,
        tls=None,
        cause=cause,
        extra=cause not in (None, "concurrency"),
        frames=Frames(syn, syn + 1, syn + 2, syn + 3, syn + 3 + 4 * requests),
    )


def exchange(carrier: int, depth: int, frame: int, target: str | None = "/get") -> Exchange:
    """A GET answered with 200 two frames and 1.2 ms later."""
    began = START + carrier * 10 * MS + depth * 2 * MS
    return Exchange(
        connection=carrier,
        depth=depth,
        method="GET",
        target=target,
        host="127.0.0.1:8080",
        status=200,
        reuse=Reuse.NEW if depth == 1 else Reuse.REUSED,
        request_ns=began,
        response_end_ns=began + 1_200_000,
        request_frame=frame,
        response_frame=frame + 2,
    )


def request(number: int, carrier: int | None, reuse: Reuse, url: str = "http://127.0.0.1:8080/get") -> RunRequest:
    return RunRequest(
        number=number,
        method="GET",
        url=url,
        status=200,
        error=None,
        duration_ns=1_900_000,
        connection=carrier,
        reuse=reuse,
    )


def totals(connections: int, requests: int, needed: int = 1) -> Totals:
    """Each connection with its handshake, each request beyond the first of each connection re-used."""
    extra = max(connections - needed, 0)
    return Totals(
        packets=requests * 4 + connections * 6,
        tcp_packets=requests * 4 + connections * 6,
        connections=connections,
        handshakes=connections,
        failed_attempts=0,
        requests=requests,
        responses=requests,
        reused_requests=requests - connections,
        unknown_requests=0,
        lower_bound=needed,
        extra_handshakes=extra,
        cost_ns=extra * 210_000,
    )


def pair(sums: Totals, client: str = CLIENT, server: Endpoint = SERVER) -> Pair:
    return Pair(
        client=client,
        server=server,
        connections=sums.connections,
        handshakes=sums.handshakes,
        failed_attempts=sums.failed_attempts,
        requests=sums.requests,
        reused_requests=sums.reused_requests,
        unknown_requests=sums.unknown_requests,
        peak_concurrency=sums.lower_bound,
        lower_bound=sums.lower_bound,
        extra_handshakes=sums.extra_handshakes,
        cost_ns=sums.cost_ns,
        causes={"unknown": sums.extra_handshakes} if sums.extra_handshakes else {},
    )


def interface(packets: int, dropped: int | None = 0) -> Source:
    return Source(
        name="lo",
        live=True,
        format="pcapng",
        packets=packets,
        bytes=packets * 120,
        first_ns=START,
        last_ns=START + 12 * MS,
        truncated=False,
        dropped=dropped,
    )


def saved_file(path: str, packets: int) -> Source:
    return interface(packets, None)._replace(name=path, live=False)


LIVE = LiveFacts(opened=True, drained=True, control_only=False, saved_as="demo.pcapng", save_problem="")


def proved() -> Report:
    """`verify demo`: two requests on one connection."""
    sums = totals(connections=1, requests=2)
    return Report(
        verdict=Verdict.PROVED,
        expectations=(Expectation("max-extra", 0, 0, met=True),),
        inconclusive_because=(),
        sources=(interface(17),),
        totals=sums,
        pairs=(pair(sums),),
        findings=(),
        notes=(),
        details=Listed((connection(0, 3, requests=2),), (exchange(0, 1, 6), exchange(0, 2, 10))),
        live=LIVE,
        client="python-requests/2.34.2",
        run=(request(1, 0, Reuse.NEW), request(2, 0, Reuse.REUSED)),
    )


def refuted() -> Report:
    """`verify http --no-session -n 3`: three requests, three connections."""
    sums = totals(connections=3, requests=3)
    return proved()._replace(
        verdict=Verdict.REFUTED,
        expectations=(Expectation("max-extra", 0, 2, met=False),),
        totals=sums,
        pairs=(pair(sums),),
        details=Listed(
            tuple(connection(index, 3 + 10 * index, cause="unknown" if index else None) for index in range(3)),
            tuple(exchange(index, 1, 6 + 10 * index) for index in range(3)),
        ),
        run=tuple(request(index + 1, index, Reuse.NEW) for index in range(3)),
    )


def inconclusive() -> Report:
    """The demo, with packets dropped by the kernel."""
    return proved()._replace(
        verdict=Verdict.INCONCLUSIVE,
        expectations=(Expectation("max-extra", 0, 0, met=None),),
        inconclusive_because=(
            Missing(Reason.DROPPED_PACKETS, "the kernel dropped 1,204 packets on lo: enlarge --buffer-size"),
            Missing(Reason.CAPTURE_NOT_DRAINED, "the marker sent after the last request was not captured"),
        ),
        sources=(interface(17, dropped=1204),),
    )


def from_file() -> Report:
    """The demo's capture, analysed later."""
    return proved()._replace(sources=(saved_file("demo.pcapng", 17),), live=None, client=None, run=())


def two_pairs() -> Report:
    """A capture in which one client talks to two servers."""
    other = Endpoint("2001:db8::2", 80)
    one = totals(connections=1, requests=2)
    both = one._replace(connections=2, handshakes=2, requests=3, lower_bound=2)
    second = connection(1, 23)._replace(pair=1, client=Endpoint("2001:db8::1", 40_000), server=other)
    return from_file()._replace(
        totals=both,
        pairs=(pair(one), pair(totals(1, 1), "2001:db8::1", other)),
        details=Listed(
            (connection(0, 3, requests=2), second), (exchange(0, 1, 6), exchange(0, 2, 10), exchange(1, 1, 26))
        ),
    )


def two_files() -> Report:
    """The same, the second server's connection in a file of its own; the first connection goes on in that one, too."""
    report = two_pairs()
    first, second = report.details.connections()
    one, two, three = report.details.exchanges()
    return report._replace(
        sources=(saved_file("a.pcap", 8), saved_file("b.pcap", 12)),
        details=Listed((first, second._replace(source=1)), (one, two._replace(source=1), three._replace(source=1))),
    )


def long_run() -> Report:
    """1,000 requests through a server that closes after each 100."""
    sums = totals(connections=10, requests=1000)
    run = tuple(request(index + 1, index // 100, Reuse.REUSED if index % 100 else Reuse.NEW) for index in range(1000))
    carriers = (connection(index, 3 + 410 * index, 100, "unknown" if index else None) for index in range(10))
    return refuted()._replace(
        expectations=(Expectation("max-extra", 0, 9, met=False),),
        sources=(interface(4060),),
        totals=sums,
        pairs=(pair(sums),),
        details=Listed(tuple(carriers)),
        run=run,
    )


def many_pairs(number: int = 15) -> Report:
    """A large capture: the first pair wastes most."""
    sums = [totals(connections=1 + 40_000 // (index + 1), requests=410_000 // (index + 1)) for index in range(number)]
    together = Totals(*(sum(column) for column in zip(*sums, strict=True)))
    pairs = tuple(pair(sums[index], "10.0.0.1", Endpoint(f"10.0.1.{index + 1}", 80)) for index in range(number))
    return from_file()._replace(
        verdict=Verdict.REFUTED,
        expectations=(
            Expectation("max-extra", 0, together.extra_handshakes, met=False),
            Expectation("min-reuse", 0.5, together.reused_requests / together.requests, met=True),
        ),
        sources=(saved_file("big.pcapng", together.packets),),
        totals=together,
        pairs=pairs,
        notes=(Note("retransmission", 12, 3401),),
        details=Counted(together.connections),
    )


def idle_timeout() -> Finding:
    return Finding(
        cause="server-idle-timeout",
        confidence="certain",
        blame="server",
        pair=0,
        connections=(1, 2),
        text="The server closed 2 connections 5.00 s after their last response; each next request needed a new one.",
        advice="Start uvicorn with `--timeout-keep-alive SECONDS` (default 5) above the client's pauses.\n"
        "Or in the client: Send the next request before the server's timeout.",
        evidence=(Evidence(7, "last byte of a response"), Evidence(9, "FIN of the server, 5.00 s later")),
        measured=(Measured("server idle timeout", 5.0, "s", 2, 2),),
        extra=2,
        cost_ns=420_000,
        packets=14,
        bytes=924,
    )


def separate_pools() -> Finding:
    """One that packets can't prove."""
    return Finding(
        cause="separate-pools",
        confidence="consistent",
        blame="client",
        pair=0,
        connections=(1,),
        text="Connection #1 was opened while #0 was open and idle, and both were used again later. The code of the "
        "client would tell whether they are of two Sessions.",
        advice="Share one client object among threads and tasks. Processes can't share; each needs its own.",
        evidence=(Evidence(4, "request on #0"), Evidence(13, "SYN of #1, while #0 is idle")),
        also=("tls-settings-differ", "host-spelling"),
        extra=1,
        cost_ns=210_000,
        packets=7,
        bytes=462,
    )


def discarded() -> Finding:
    """One that cost no extra handshake."""
    return Finding(
        cause="pool-full",
        confidence="certain",
        blame="client",
        pair=0,
        connections=(3, 4),
        text="2 of 12 connections were closed by the client right after one response, while requests overlapped.",
        advice="Make the pool at least as large as the number of requests at once.",
        evidence=(Evidence(31, "FIN of the client"),),
    )


def with_findings() -> Report:
    """What the diagnosis adds: three requests, the server closed in between."""
    report = refuted()
    first, *others = report.details.connections()
    details = Listed(
        (first, *(other._replace(cause="server-idle-timeout") for other in others)), tuple(report.details.exchanges())
    )
    pairs = tuple(pair._replace(causes={"server-idle-timeout": 2}) for pair in report.pairs)
    return report._replace(findings=(idle_timeout(),), details=details, pairs=pairs)


def many_causes() -> Report:
    """A large capture of 15 pairs and five causes, one of them at several pairs, and two that cost nothing."""
    report = many_pairs()
    extra = [pair.extra_handshakes for pair in report.pairs]
    shares = (
        idle_timeout()._replace(extra=extra[0], connections=tuple(range(1, extra[0])), cost_ns=extra[0] * 210_000),
        idle_timeout()._replace(extra=extra[1], pair=1),
        separate_pools()._replace(extra=extra[2], pair=2),
        idle_timeout()._replace(cause="max-requests-announced", extra=extra[3], pair=3),
        idle_timeout()._replace(cause="no-session", extra=extra[4], pair=4),
        idle_timeout()._replace(cause="unknown", extra=extra[5], pair=5),
        discarded(),
        discarded()._replace(cause="concurrency", blame="nobody"),
    )
    pairs = tuple(
        pair._replace(causes={shares[index].cause: pair.extra_handshakes}) if index < 6 else pair
        for index, pair in enumerate(report.pairs)
    )
    return report._replace(findings=shares, pairs=pairs, details=Counted(40))


def encrypted() -> Report:
    """A TLS connection whose requests nobody can read."""
    tls = Tls(sni="example.com", alpn="http/1.1", version="1.3", resumed=False)
    carrier = connection(0, 1)._replace(protocol=Protocol.TLS, tls=tls, tls_ns=12 * MS, requests=0, responses=0)
    sums = totals(1, 1)._replace(requests=0, responses=0, reused_requests=0)
    return from_file()._replace(
        verdict=Verdict.INCONCLUSIVE,
        inconclusive_because=(Missing(Reason.REQUESTS_UNREADABLE, "the requests on 1 connection are encrypted"),),
        totals=sums,
        pairs=(pair(sums),),
        details=Listed((carrier,)),
    )


def second_opinion() -> Report:
    """A saved capture, and another program that counts a response more, and a connection for which there is no rule."""
    rule = Rule("interim-responses", "it counts 1xx responses, too", "RFC 9110, 15.2")
    differences = (
        Difference(What.RESPONSES, 2, 3, 0, (6,), rule, "10.0.0.1:40000 to 10.0.0.2:80: 2 here, 3 there"),
        Difference(What.CONNECTIONS, 0, 1, None, (9, 12), None, "10.0.0.1:1 and 10.0.0.2:80: 0 here, 1 there"),
    )
    counts = tuple(Count(what, 2, 2) for what in What)
    return from_file()._replace(opinion=Opinion("tshark", "4.0.17", counts, differences, 0, (), 1))
