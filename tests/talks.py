"""Small stories of a client and a server, for tests of the diagnosis: what was said, as connections one after another.

A story is a list of conversations. `opened` and `secured` begin one, scripts go on with it, `followed` adds the
connection that the diagnosis is to explain. Segments follow each other by a millisecond: what is `at once` takes none,
and pauses are said in seconds. `diagnosed` analyses the file of a story; `told` has the judge hear the client's own
account, too, as in a live run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from craft import (
    CHANGE_CIPHER_SPEC,
    START_NS,
    STEP_NS,
    Address,
    Conversation,
    Packet,
    Segment,
    Side,
    client_hello,
    get,
    merged,
    noise,
    packets,
    request_head,
    response_head,
    sealed,
    server_hello,
    tls12_opening,
    tls13_opening,
)
from examine import examine, saved, written

from verifier.clients.run import Connect, Counters, Request, Run
from verifier.judge.decide import Case, Counts, of_run
from verifier.judge.details import Details
from verifier.judge.diagnose import Diagnosis
from verifier.judge.lineage import Lineage
from verifier.judge.model import Connection, Finding, Report
from verifier.judge.options import Expectations
from verifier.sources import file
from verifier.sources.facts import LiveFacts
from verifier.wire.engine import Engine

S = 1_000_000_000
SERVER = ("10.0.0.2", 80)
TLS_SERVER = ("10.0.0.2", 443)
PROXY = ("10.0.0.2", 3128)
READY = {TLS_SERVER[1]: 8, PROXY[1]: 11}
"""By port: how many segments there are before the first request, where it is not the handshake's three."""
HANDSHAKE_NS = 2 * STEP_NS
"""From SYN to the ACK of a crafted handshake: what an extra one costs here."""

Talks = list[Conversation]
Script = Callable[[Conversation], object]
Begin = Callable[[int, int], Conversation]
"""Begins the connection of this number, at this time."""


def opened(number: int = 0, now: int = START_NS, server: Address = SERVER, client: str = "10.0.0.1") -> Conversation:
    """A connection with its handshake done; the number makes its port."""
    talk = Conversation((client, 40000 + number), server, (1_000 + number * 100_000, 700_000 + number * 100_000), now)
    talk.handshake()
    return talk


def secured(
    number: int = 0, now: int = START_NS, server: Address = TLS_SERVER, client: str = "10.0.0.1", sni: str = "a.example"
) -> Conversation:
    """One with TLS 1.3 on it."""
    talk = Conversation((client, 40000 + number), server, (1_000 + number * 100_000, 700_000 + number * 100_000), now)
    tls13_opening(talk, sni)
    return talk


def secured12(number: int = 0, now: int = START_NS, alpn: str = "http/1.1") -> Conversation:
    """One with TLS 1.2 on it."""
    ports = (1_000 + number * 100_000, 700_000 + number * 100_000)
    talk = Conversation(("10.0.0.1", 40000 + number), TLS_SERVER, ports, now)
    tls12_opening(talk, alpn)
    return talk


def tunnelled(number: int = 0, now: int = START_NS, target: str = "a.example:443") -> Conversation:
    """One to a proxy, with TLS 1.3 inside of a tunnel."""
    talk = opened(number, now, PROXY)
    talk.request(request_head("CONNECT", target))
    talk.response(response_head("200 Connection established"))
    talk.say("client", "PA", client_hello(session=noise(32, "session")))
    talk.say("server", "PA", server_hello(session=noise(32, "session")) + CHANGE_CIPHER_SPEC + sealed(900))
    talk.say("client", "PA", CHANGE_CIPHER_SPEC + sealed(53, seed="finished"))
    talk.ack("server")
    return talk


def in_secret(talk: Conversation) -> None:
    """An exchange inside of TLS."""
    talk.request(sealed(200))
    talk.response(sealed(400))


class Remote(Conversation):
    """One whose ends are far apart, as a capture at the near end sees it: what the far end says to something comes a
    round trip later. Nobody waits for acknowledgements."""

    def __init__(self, number: int, now: int, near: Side, round_trip_ns: int) -> None:
        isns = (1_000 + number * 100_000, 700_000 + number * 100_000)
        super().__init__(("10.0.0.1", 40000 + number), SERVER, isns, now)
        self.near = near
        self.round_trip_ns = round_trip_ns
        self.far_has_heard = True

    def say(
        self, side: Side, flags: str, payload: bytes = b"", options: bytes = b"", ack: int | None = None
    ) -> Segment:
        is_ack = flags == "A" and not payload
        if side == self.near:
            self.far_has_heard = self.far_has_heard and is_ack
        elif not self.far_has_heard:
            began = self.now
            self.now += self.round_trip_ns
            segment = super().say(side, flags, payload, options, ack)
            self.now = began if is_ack else self.now
            self.far_has_heard = not is_ack
            return segment
        return super().say(side, flags, payload, options, ack)


def remote(near: Side, round_trip: float) -> Begin:
    """Begins connections between ends that are so many seconds apart."""

    def begin(number: int, now: int) -> Conversation:
        talk = Remote(number, now, near, round(round_trip * S))
        talk.handshake()
        return talk

    return begin


def after(talk: Conversation, seconds: float) -> int:
    """So long after the last that was said."""
    return talk.now + round(seconds * S)


def moved(talk: Conversation, moment: int) -> Conversation:
    """The same conversation, and what is said next is said at this moment."""
    assert moment >= talk.now
    talk.now = moment
    return talk


def followed(*talks: Conversation, pause: float = 0.2) -> Talks:
    """The story with one more connection at its end: opened so much later, to the first one's server, with one
    exchange."""
    now = max(talk.now for talk in talks) + round(pause * S)
    server = talks[0].ends["server"].address
    number = len(talks) + 1
    last = secured(number, now) if server[1] == 443 else opened(number, now, server)
    if server[1] == 443:
        in_secret(last)
    else:
        last.exchange()
    return [*talks, last]


def each(*scripts: Script, pause: float = 0.2, begin: Begin = opened) -> Talks:
    """One connection after another, each with its script, and a pause before the next."""
    talks: Talks = []
    now = START_NS
    for number, script in enumerate(scripts):
        talk = begin(number, now)
        script(talk)
        talks.append(talk)
        now = after(talk, pause)
    return talks


def in_turn(count: int, script: Script, pause: float = 0.2, begin: Begin = opened) -> Talks:
    """Connections one after another, all with the same script."""
    return each(*[script] * count, pause=pause, begin=begin)


def exchanges(count: int, pause: float = 0.0) -> Script:
    """So many exchanges, with pauses in between."""

    def script(talk: Conversation) -> None:
        for number in range(count):
            if number:
                talk.pause(pause)
            talk.exchange(number)

    return script


def closing(first: Side, gap: float = 0.0, before: Script | None = None) -> Script:
    """One exchange, or what stands for it, a pause, and the close."""

    def script(talk: Conversation) -> None:
        (before or exchanges(1))(talk)
        talk.pause(gap)
        talk.close(first)

    return script


def answered(response: bytes, request: bytes = b"") -> Script:
    """One exchange in these words."""

    def script(talk: Conversation) -> None:
        talk.request(request or get())
        talk.response(response)

    return script


def refusal(number: int, now: int, server: Address = SERVER, client: str = "10.0.0.1") -> Conversation:
    """An attempt that is answered by a RST."""
    talk = Conversation((client, 40000 + number), server, now=now)
    talk.syn()
    talk.reset("server")
    return talk


# -- what the judge makes of it


def captured(talks: Iterable[Conversation]) -> list[Packet]:
    return packets(merged(*talks))


def diagnosed(talks: Iterable[Conversation]) -> Report:
    return examine(captured(talks))


def of_segments(segments: Sequence[Segment]) -> Report:
    return examine(packets(segments))


def causes(report: Report) -> list[str | None]:
    """Of each connection, in order."""
    return [connection.cause for connection in connections(report)]


def connections(report: Report) -> list[Connection]:
    return list(report.details.connections())


def before(report: Report) -> list[int]:
    """Of each connection the one that went before it, -1 for none."""
    found = lineage(report)
    return [found.predecessor(connection.id) if found else -1 for connection in connections(report)]


def lineage(report: Report) -> Lineage | None:
    """None where there was nothing to explain."""
    found = diagnosis(report)
    return found.lineage if found else None


def diagnosis(report: Report) -> Diagnosis | None:
    """None where there was nothing to explain."""
    assert isinstance(report.details, Details)
    return report.details.diagnosis


def finding(report: Report, cause: str) -> Finding:
    """The one finding of this cause."""
    (found,) = [each for each in report.findings if each.cause == cause]
    return found


def rules(report: Report) -> list[int]:
    """The places in `RULES` of the rows that decided on later connections."""
    found = diagnosis(report)
    decided = [found.rule(connection.id) for connection in connections(report)] if found else []
    return [place for place in decided if place is not None]


# -- what a live client says


class Account(NamedTuple):
    """What the client's side of a story is: beside what packets show of it."""

    session: bool = True
    unread: bool = False
    discarded: tuple[int, ...] = ()
    """Connections that its pool gave up."""
    last: Callable[[Request], Request] = lambda request: request
    """What it says of the last request on each connection but the newest."""
    counters: Counters | None = None
    """What its kernel counted on each connection."""


PLAIN = Account()


def told(talks: Sequence[Conversation], account: Account = PLAIN) -> Report:
    """The report on a live run that these packets are of: one request for each that the client sent."""
    connects: list[Connect] = []
    requests: list[Request] = []
    for number, talk in enumerate(talks):
        (syn, *_) = talk.segments
        client, server = syn.sender, syn.receiver
        connects.append(
            Connect(
                host=server[0],
                port=server[1],
                started_ns=syn.ts_ns - 1,
                ended_ns=syn.ts_ns + HANDSHAKE_NS,
                client=client,
                server=server,
                error=None,
                counters=account.counters,
                discarded=number in account.discarded,
            )
        )
        made = _requests(talk, number)
        if made and number + 1 < len(talks):
            made[-1] = account.last(made[-1])
        requests += made
    requests = [
        request._replace(number=place)
        for place, request in enumerate(sorted(requests, key=lambda request: request.started_ns), 1)
    ]
    run = Run(
        client="python-requests/2.34.2",
        planned=len(requests),
        requests=tuple(requests),
        connects=tuple(connects),
        interrupted=False,
        session=account.session,
        unread=account.unread,
    )
    with saved(written(captured(talks))) as path:
        engine = Engine(1, False)
        source = file.read(path, engine)
        case = Case(engine.finish(), Counts(engine.packets, engine.tcp_packets), (source,))
        return of_run(case, run, LiveFacts(True, True, False, None, ""), Expectations())


def _requests(talk: Conversation, connect: int) -> list[Request]:
    """The client's bursts of data, each a request that lasts to the server's last data before the next."""
    client = talk.ends["client"].address
    ready = READY.get(talk.segments[0].receiver[1], 3)
    made: list[Request] = []
    speaker: Address | None = None
    for segment in talk.segments[ready:]:
        if not segment.payload:
            continue
        if segment.sender == client:
            if speaker != client:
                made.append(
                    Request(
                        number=0,
                        method="GET",
                        url=f"http://a.example/{len(made) + 1}",
                        started_ns=segment.ts_ns - 1,
                        ended_ns=talk.now,
                        status=None,
                        error="no response",
                        connect=connect,
                        sent_ns=segment.ts_ns,
                    )
                )
        elif made:
            made[-1] = made[-1]._replace(ended_ns=segment.ts_ns, status=200, error=None)
        speaker = segment.sender
    return made
