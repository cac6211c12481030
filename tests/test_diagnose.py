"""What a diagnosis says beside the cause: limits that repeat, cost, frames, sums; and that it is silent about clients
that do well."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from craft import (
    CLOSE_NOTIFY,
    START_NS,
    STEP_NS,
    Conversation,
    Side,
    chunked,
    client_hello,
    get,
    merged,
    ok,
    pcap,
    request_head,
    response_head,
    sealed,
    server_hello,
    tls_record,
)
from examine import reasons
from talks import (
    HANDSHAKE_NS,
    PROXY,
    SERVER,
    TLS_SERVER,
    Account,
    Begin,
    S,
    Script,
    Talks,
    after,
    answered,
    captured,
    causes,
    closing,
    connections,
    diagnosed,
    each,
    exchanges,
    finding,
    followed,
    in_secret,
    in_turn,
    moved,
    of_segments,
    opened,
    remote,
    secured,
    told,
    tunnelled,
)

from verifier.app import analyze
from verifier.judge.model import Measured, Report
from verifier.judge.options import Expectations, Selection

OTHER = ("10.0.0.3", 80)
MS = 1_000_000


def counted(requests: int) -> Script:
    """So many exchanges, the last of which says close."""

    def script(talk: Conversation) -> None:
        exchanges(requests - 1, 0.2)(talk)
        talk.request(get())
        talk.response(ok(b"ok", "Connection: close"))

    return script


def idle_reset(talk: Conversation) -> None:
    exchanges(2, 1)(talk)
    talk.pause(30)
    talk.reset("server")


def measured(report: Report, cause: str) -> Measured:
    """The one limit of this cause, to a tenth of a second."""
    (limit,) = finding(report, cause).measured
    return limit._replace(value=round(limit.value, 1))


# -- limits that repeat


def test_an_idle_timeout_that_every_connection_shows() -> None:
    report = diagnosed(followed(*in_turn(12, closing("server", 5, exchanges(2, 0.4)), pause=1.3)))
    limit = measured(report, "server-idle-timeout")
    assert limit == Measured("server idle timeout", 5, "s", 12, 12)
    assert finding(report, "server-idle-timeout").confidence == "certain"


def test_an_idle_timeout_that_most_connections_show() -> None:
    """Two were closed for another reason, much earlier, and count among those that could have shown it."""
    scripts = [closing("server", 5)] * 4 + [closing("server", 1), closing("server", 2.2)]
    report = diagnosed(followed(*each(*scripts)))
    limit = measured(report, "server-idle-timeout")
    assert (limit.value, limit.seen, limit.of) == (5, 4, 6)


def test_a_timer_that_is_not_exact() -> None:
    gaps = (5.0, 5.1, 5.3, 4.95, 5.02)
    limit = measured(diagnosed(followed(*each(*[closing("server", gap) for gap in gaps]))), "server-idle-timeout")
    assert (limit.value, limit.seen, limit.of) == (5.0, 5, 5)


def test_idle_times_that_have_nothing_in_common() -> None:
    report = diagnosed(followed(*each(*[closing("server", gap) for gap in (1, 3, 9)])))
    found = finding(report, "server-idle-timeout")
    assert found.measured == ()
    assert found.confidence == "consistent"
    assert "1.00 s to 9.00 s" in found.text


def test_one_idle_time_is_what_was_measured_once() -> None:
    report = diagnosed(followed(*in_turn(1, closing("server", 5))))
    assert measured(report, "server-idle-timeout") == Measured("server idle timeout", 5, "s", 1, 1)


def test_a_client_that_closes_before_the_server_said_it_would() -> None:
    """Node takes its limit from the server's field, and a second or two off."""
    kept = answered(ok(b"ok", "Keep-Alive: timeout=5"))
    report = diagnosed(followed(*in_turn(2, closing("client", 3, kept), pause=1)))
    assert "; the server had said that it keeps them for 5 s." in finding(report, "client-idle-expiry").text
    report = diagnosed(followed(*in_turn(2, closing("client", 6, kept), pause=1)))
    assert "had said" not in finding(report, "client-idle-expiry").text


def test_a_client_that_looks_at_its_connections_when_it_has_a_request_shows_its_pause() -> None:
    """httpx drops what is older than 5 s at its next request, however much later that is."""
    agent = get("/", "User-Agent: python-httpx/0.28.1")
    report = diagnosed(followed(*in_turn(3, closing("client", 6, answered(ok(), agent)), pause=0.001), pause=0.001))
    found = finding(report, "client-idle-expiry")
    assert found.measured == ()
    assert "had been idle for 6.00 s, when it next had a request" in found.text


def test_a_server_that_closes_without_a_response() -> None:
    def script(talk: Conversation) -> None:
        talk.request(get("/slow"))
        talk.pause(0.9)
        talk.close("server")

    found = finding(diagnosed(followed(*in_turn(2, script))), "server-restart")
    assert found.text.startswith(
        "the server closed 2 connections 902 ms after a request, without a response to it (GET"
    )


def test_what_nothing_explains_is_not_spoken_of_as_one() -> None:
    """One comes after a connection that was never used, another carried nothing itself."""
    talks = [opened()]
    talks[0].pause(3)
    talks[0].close("client")
    for number in range(1, 4):
        talk = opened(number, after(talks[-1], 0.2))
        if number == 1:
            talk.exchange()
        talk.pause(3)
        talk.close("client")
        talks.append(talk)
    found = finding(diagnosed(talks), "unknown")
    assert found.text.endswith("nothing in the packets says why: 1 after one that was closed unused and 1 never used.")
    assert len(found.connections) == 2


def test_a_server_that_had_kept_connections_for_longer() -> None:
    found = finding(diagnosed(followed(*in_turn(1, closing("server", 3, exchanges(2, 10))))), "server-restart")
    assert (
        "closed its connection 3.00 s after the last response, although it had kept idle ones for up to" in found.text
    )


@pytest.mark.parametrize(("status", "blame"), [("503 Busy", "server"), ("400 Bad Request", "client")])
def test_whose_errors_close(status: str, blame: str) -> None:
    def script(talk: Conversation) -> None:
        talk.exchange()
        answered(response_head(status, "Connection: close", "Content-Length: 0"))(talk)
        talk.close("server")

    found = finding(diagnosed(followed(*in_turn(1, script))), "error-closes")
    assert found.blame == blame
    assert found.advice.startswith("Mend what makes the server fail" if blame == "server" else "Mend the requests")


def test_a_close_asked_for_in_http_10_is_a_proxy_s_doing() -> None:
    """By default nginx asks so, in the name of its client."""
    agent = "User-Agent: python-requests/2.34.2"
    for version, known in (("1.0", False), ("1.1", True)):
        request = get("/", "Connection: close", agent).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
        report = diagnosed(followed(*in_turn(1, closing("server", before=answered(ok(), request)))))
        found = finding(report, "request-close-header")
        assert ("session.headers" in found.advice, "`proxy_http_version 1.1`" in found.advice) == (known, not known)


def test_the_client_s_goodbye_is_cited_and_the_fin_is_whose_it_is() -> None:
    first = secured()
    in_secret(first)
    first.say("client", "PA", CLOSE_NOTIFY)
    first.close("server")
    second = secured(1, after(first, 1))
    in_secret(second)
    (found,) = diagnosed([first, second]).findings
    notes = [each.note for each in found.evidence]
    assert "the client's TLS alert on #0, most likely close_notify" in notes
    assert any(note.startswith("the server's FIN of #0") for note in notes)


@pytest.mark.parametrize("side", ["client", "server"])
def test_an_alert_inside_of_the_handshake_says_no_goodbye(side: Side) -> None:
    """A certificate that is not trusted, or nothing that both can speak."""
    talks = [Conversation(("10.0.0.1", 40000 + number), TLS_SERVER, now=START_NS + number * S) for number in range(2)]
    for talk in talks:
        talk.handshake()
        talk.say("client", "PA", client_hello(tls13=False))
        if side == "client":
            talk.say("server", "PA", server_hello(tls13=False))
        talk.say(side, "PA", tls_record(21, b"\x02\x30"))
        talk.close("server")
    (found,) = diagnosed(talks).findings
    assert f"the {side}'s TLS alert on #0, inside of its handshake" in [each.note for each in found.evidence]


def test_how_late_a_close_is_counts_from_what_is_cited() -> None:
    """A connection that was used again: its close does not come behind the response that is cited."""
    first = opened()
    first.exchange()
    second = opened(1, after(first, 1))
    second.request(get().replace(b"a.example", b"10.0.0.2"))
    second.response(ok())
    moved(first, after(second, 1)).exchange()
    first.close("client")
    (found,) = diagnosed([first, second]).findings
    notes = [each.note for each in found.evidence]
    assert "#0 is used again" in notes
    assert "the client's FIN of #0" in notes


@pytest.mark.parametrize(
    ("count", "last", "cause"),
    [(100, b"ok", "max-requests-silent"), (100, b"", "max-requests-announced"), (3, b"ok", "max-requests-silent")],
)
def test_a_count_that_every_connection_shows(count: int, last: bytes, cause: str) -> None:
    def script(talk: Conversation) -> None:
        exchanges(count - 1)(talk)
        talk.request(get())
        talk.response(ok(last) if last else ok(b"", "Connection: close"))
        talk.close("server")

    report = diagnosed(followed(*in_turn(9, script)))
    assert measured(report, cause) == Measured("max requests", count, "requests", 9, 9)
    assert (finding(report, cause).confidence, finding(report, cause).extra) == ("certain", 9)


def test_a_count_that_most_connections_show() -> None:
    scripts = [closing("server", before=exchanges(count)) for count in (10, 10, 7, 10, 10)]
    report = diagnosed(followed(*each(*scripts)))
    limit = measured(report, "max-requests-silent")
    assert (limit.value, limit.seen, limit.of) == (10, 4, 5)


def test_one_response_each_is_no_limit_to_tell() -> None:
    report = diagnosed(in_turn(6, closing("server")))
    assert finding(report, "server-never-keeps-alive").measured == ()


@pytest.mark.parametrize(
    ("header", "cause", "name"),
    [
        ("X-Nothing: 1", "client-idle-expiry", "client idle expiry"),
        ("Via: 1.1 lb", "balancer-idle-timeout", "balancer idle timeout"),
    ],
)
def test_a_timer_of_the_client(header: str, cause: str, name: str) -> None:
    script = closing("client", 15, answered(ok(), get("/", header)))
    report = diagnosed(followed(*in_turn(4, script, pause=2)))
    assert measured(report, cause) == Measured(name, 15, "s", 4, 4)


def test_how_long_a_client_waits() -> None:
    def script(talk: Conversation) -> None:
        talk.request(get("/slow"))
        talk.pause(2.5)
        talk.close("client")

    report = diagnosed(followed(*in_turn(3, script)))
    assert measured(report, "client-timeout") == Measured("client timeout", 2.5, "s", 3, 3)


def test_a_reset_after_the_same_time() -> None:
    def script(talk: Conversation) -> None:
        talk.exchange()
        talk.pause(30)
        talk.reset("server")

    report = diagnosed(followed(*in_turn(3, script)))
    limit = measured(report, "server-reset-idle")
    assert (limit.value, limit.seen, limit.of) == (30, 3, 3)


# -- what it costs


def test_the_cost_of_plain_connections() -> None:
    found = finding(diagnosed(in_turn(5, closing("client"))), "no-session")
    assert (found.extra, found.cost_ns, found.packets, found.bytes) == (4, 4 * HANDSHAKE_NS, 4 * 3, 0)


def test_the_cost_of_tls() -> None:
    """To the client's Finished: six segments, and the payload of three."""

    def script(talk: Conversation) -> None:
        in_secret(talk)
        talk.close("client")

    talks = in_turn(3, script, begin=secured)
    found = finding(diagnosed(talks), "no-session")
    opening = talks[0].segments[:6]
    assert found.extra == 2
    assert found.cost_ns == 2 * (opening[-1].ts_ns - opening[0].ts_ns)
    assert found.packets == 2 * len(opening)
    assert found.bytes == 2 * sum(len(segment.payload) for segment in opening)


def test_the_costliest_cause_comes_first() -> None:
    """Two servers: one closes after each response, the other once."""
    often = in_turn(5, closing("server"))
    once = [opened(10, START_NS, OTHER)]
    closing("server", 5)(once[0])
    once.append(opened(11, after(once[0], 1), OTHER))
    once[1].exchange()
    report = diagnosed([*once, *often])
    assert [(found.cause, found.extra) for found in report.findings if found.extra] == [
        ("server-never-keeps-alive", 4),
        ("server-idle-timeout", 1),
    ]
    assert [pair.causes for pair in report.pairs] == [{"server-idle-timeout": 1}, {"server-never-keeps-alive": 4}]


def test_causes_and_concurrency_add_up() -> None:
    first, second, third = (opened(number) for number in range(3))
    for talk in (first, second, third):
        talk.request(get("/together"))
        talk.pause(0.05)
    for talk in (first, second, third):
        talk.response(ok())
        talk.pause(5)
        talk.close("server")
    report = diagnosed(followed(first, second, third))
    (pair,) = report.pairs
    assert pair.causes == {"concurrency": 2, "server-idle-timeout": 1}
    assert pair.extra_handshakes == 1
    assert [connection.extra for connection in connections(report)] == [False, False, False, True]
    assert causes(report) == [None, "concurrency", "concurrency", "server-idle-timeout"]


def test_a_failed_attempt_is_no_later_connection() -> None:
    first = opened()
    closing("server", 2)(first)
    refused = Conversation(("10.0.0.1", 40001), SERVER, now=after(first, 0.1))
    refused.syn()
    refused.reset("server")
    report = diagnosed(followed(first, refused))
    assert causes(report) == [None, None, "server-restart"]
    assert report.pairs[0].causes == {"server-restart": 1}


# -- evidence


def test_the_story_is_cited_in_order() -> None:
    talks = followed(*in_turn(1, closing("server", 5)))
    segments = merged(*talks)
    cited = finding(diagnosed(talks), "server-idle-timeout").evidence
    frames = [evidence.frame for evidence in cited]
    assert frames == sorted(frames)
    assert [(segments[frame - 1].sender, segments[frame - 1].flags) for frame in frames] == [
        (("10.0.0.1", 40000), "PA"),
        (SERVER, "PA"),
        (SERVER, "FA"),
        (("10.0.0.1", 40000), "FA"),
        (("10.0.0.1", 40002), "S"),
    ]
    assert "5.00 s after it" in cited[2].note


def test_whose_proxy_it_is_that_closes() -> None:
    """What stands in the Server field is the name of who is behind it."""

    def advised(asked: bytes, begin: Begin) -> str:
        script = closing("server", 5, answered(ok(b"ok", "Server: nginx/1.22.1"), asked))
        return finding(diagnosed(in_turn(3, script, begin=begin)), "server-idle-timeout").advice

    plain = advised(get("/"), opened)
    assert "proxy:" not in plain
    assert "The server calls itself nginx/1.22.1" in plain
    asked = advised(get("http://a.example/"), opened)
    assert asked.startswith(
        "The client asks this server for whole URLs, as one asks a proxy: what follows is the proxy's"
    )
    assert "nginx/1.22.1, may be that of the one behind it" in asked
    through = advised(get("/"), lambda number, now: tunnel_made(opened(number, now)))
    assert through.startswith(
        "The connection is a tunnel through a proxy (CONNECT): the proxy may have ended it, or the"
    )


def tunnel_made(talk: Conversation, target: str = "a.example:80") -> Conversation:
    talk.request(request_head("CONNECT", target))
    talk.response(response_head("200 Connection established"))
    return talk


@pytest.mark.parametrize("closer", ["client", "server"])
def test_a_tunnel_that_was_refused_is_the_one_before(closer: Side) -> None:
    """It was to lead to the same place."""
    refused = opened(0)
    refused.request(request_head("CONNECT", "a.example:80"))
    refused.response(response_head("407 Proxy Authentication Required", "Content-Length: 0"))
    refused.close(closer)
    second = tunnel_made(opened(1, after(refused, 0.1)), "A.example:80")
    second.exchange()
    report = diagnosed([refused, second])
    assert len(report.findings) == 1
    assert f"the {closer}'s FIN of #0" in " ".join(cited.note for cited in report.findings[0].evidence)


def test_the_first_request_in_a_tunnel_uses_nothing_again() -> None:
    """It came a moment after the tunnel was made."""
    script = closing("client", 5)
    text = finding(diagnosed(in_turn(4, script, begin=lambda *at: tunnel_made(opened(*at)))), "client-idle-expiry").text
    assert "used connections again" not in text


def test_the_one_tunnel_to_a_place_is_not_the_one_that_was_not_needed() -> None:
    """Requests to two places at once need no second tunnel to the first place."""
    idle = tunnel_made(opened(0))
    idle.exchange()
    second = tunnel_made(opened(1, after(idle, 4)))
    other = tunnel_made(opened(2, second.now - 4 * STEP_NS), "b.example:80")
    for talk in (second, other):
        talk.request(get("/"))
        talk.pause(0.5)
        talk.response(ok())
    report = diagnosed([idle, second, other])
    assert [(found.cause, list(found.connections)) for found in report.findings] == [("proxy-tunnel", [1])]
    assert report.totals.extra_handshakes == 1


def test_no_more_is_cited_than_a_reader_takes_in() -> None:
    found = finding(diagnosed(in_turn(40, closing("client"))), "no-session")
    assert len(found.connections) == 39
    assert len(found.evidence) <= 20


FIELDS = (
    "frame.number",
    "tcp.srcport",
    "tcp.flags.syn",
    "tcp.flags.ack",
    "tcp.flags.fin",
    "tcp.flags.reset",
    "tcp.len",
)
SET = ("1", "True")
"""How tshark prints that a flag is: 4.0 and 4.6."""


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (apt-get install tshark)")
def test_cited_frames_as_tshark_numbers_them(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(captured(followed(*in_turn(2, closing("server", 5))))))
    options = [option for field in FIELDS for option in ("-e", field)]
    lines = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", *options], capture_output=True, check=True, text=True
    ).stdout.splitlines()
    fields = {int(line.split("\t")[0]): dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines}
    checks: dict[str, Callable[[dict[str, str]], bool]] = {
        "SYN of": lambda frame: frame["tcp.flags.syn"] in SET and frame["tcp.flags.ack"] not in SET,
        "request on": lambda frame: frame["tcp.srcport"] != "80" and frame["tcp.len"] != "0",
        "end of the response": lambda frame: frame["tcp.srcport"] == "80" and frame["tcp.len"] != "0",
        "the server's FIN": lambda frame: frame["tcp.srcport"] == "80" and frame["tcp.flags.fin"] in SET,
        "the client closes": lambda frame: frame["tcp.srcport"] != "80" and frame["tcp.flags.fin"] in SET,
    }
    report = analyze([os.fspath(path)], Selection(), Expectations())
    seen = set()
    for evidence in finding(report, "server-idle-timeout").evidence:
        kind = next(start for start in checks if evidence.note.startswith(start))
        assert checks[kind](fields[evidence.frame]), evidence
        seen.add(kind)
    assert seen == set(checks)


def test_evidence_names_its_file(tmp_path: Path) -> None:
    """The same connections in one file and cut into three: the same packets are cited."""
    whole = captured(followed(*in_turn(3, closing("server", 5, exchanges(2)))))
    parts = [whole[:17], whole[17:40], whole[40:]]
    paths = []
    for number, part in enumerate([whole, *parts]):
        paths.append(os.fspath(tmp_path / f"{number}.pcap"))
        Path(paths[-1]).write_bytes(pcap(part))
    one = finding(analyze(paths[:1], Selection(), Expectations()), "server-idle-timeout")
    three = finding(analyze(paths[1:], Selection(), Expectations()), "server-idle-timeout")
    assert {evidence.source for evidence in three.evidence} == {0, 1, 2}
    assert [(evidence.note, parts[evidence.source][evidence.frame - 1].data) for evidence in three.evidence] == [
        (evidence.note, whole[evidence.frame - 1].data) for evidence in one.evidence
    ]


def test_causes_of_what_is_selected_alone(tmp_path: Path) -> None:
    often = in_turn(3, closing("server"))
    other = opened(10, START_NS, OTHER)
    closing("server", 5)(other)
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(captured([*followed(other), *often])))
    report = analyze([os.fspath(path)], Selection(hosts=("10.0.0.3",)), Expectations())
    assert [found.cause for found in report.findings] == ["server-idle-timeout"]
    assert [found.pair for found in report.findings] == [0]


# -- words about a client and a server that are known


def test_right_after_is_said_of_what_is_right_after() -> None:
    script = closing("client", 7, answered(ok(), get("/", "User-Agent: python-requests/2.34.2")))
    found = finding(diagnosed(followed(*in_turn(1, script), pause=3)), "no-session")
    assert "right after" not in found.text


@pytest.mark.parametrize(
    ("response", "how"),
    [
        (response_head("200 OK", "Content-Type: text/event-stream") + b"data: 1\n\n", "before the response was over"),
        (ok(), "although the response was whole"),
    ],
)
def test_a_response_that_never_ends_is_not_called_whole(response: bytes, how: str) -> None:
    """One without a length ends when its server closes."""

    def script(talk: Conversation) -> None:
        answered(response)(talk)
        talk.reset("client")

    assert how in finding(diagnosed(in_turn(2, script)), "body-unread").text


def test_two_programs_have_nothing_to_mend() -> None:
    """What one of them calls itself is no hint at how it could share with the other."""
    first, second = opened(), opened(1, START_NS + S)
    answered(ok(), get("/", "User-Agent: curl/8.5.0"))(first)
    first.close("client")
    answered(ok(), get("/", "User-Agent: Mozilla/5.0"))(second)
    found = finding(diagnosed([first, second]), "separate-pools")
    assert "another program's (curl/8.5.0)" in found.text
    assert "a connection belongs to one" in found.advice
    assert "curl" not in found.advice


def test_a_program_beside_another_may_have_several_pools_itself() -> None:
    """Not all that it opened came after the other's."""
    first, second, third = opened(), opened(1, START_NS + S), opened(2, START_NS + 2 * S)
    for talk, agent in ((first, "curl/8.5.0"), (second, "Mozilla/5.0"), (third, "Mozilla/5.0")):
        answered(ok(), get("/", f"User-Agent: {agent}"))(talk)
    moved(second, START_NS + 3 * S).exchange()
    moved(third, START_NS + 4 * S).exchange()
    found = finding(diagnosed([first, second, third]), "separate-pools")
    assert len(found.connections) == 2
    assert "curl" not in found.text


@pytest.mark.parametrize(
    ("request_header", "response_header", "word"),
    [
        ("User-Agent: python-requests/2.34.2", "Server: x", "Session"),
        ("User-Agent: curl/8.5.0", "Server: x", "curl"),
        ("User-Agent: x", "Server: x", "client"),
    ],
)
def test_advice_is_for_the_client_in_use(request_header: str, response_header: str, word: str) -> None:
    script = closing("client", before=answered(ok(b"ok", response_header), get("/", request_header)))
    assert word in finding(diagnosed(in_turn(3, script)), "no-session").advice


def test_advice_is_for_the_server_in_use() -> None:
    script = closing("server", 5, answered(ok(b"ok", "Server: uvicorn"), get("/", "User-Agent: x")))
    assert "uvicorn" in finding(diagnosed(in_turn(3, script)), "server-idle-timeout").advice


def test_the_live_client_settles_what_packets_leave_open() -> None:
    talks = followed(*in_turn(1, exchanges(1)))
    assert finding(diagnosed(talks), "no-session").confidence == "consistent"
    sure = finding(told(talks, Account(session=False)), "no-session")
    assert sure.confidence == "certain"
    assert sure.also == ()
    assert "can't prove" not in sure.text


# -- from near and far

NEEDLESS: dict[str, Script] = {
    "no-session": closing("client"),
    "server-never-keeps-alive": closing("server"),
    "server-idle-timeout": closing("server", 5, exchanges(3, 1)),
    "server-reset-idle": idle_reset,
    "client-idle-expiry": closing("client", 15, exchanges(3, 1)),
    "max-requests-silent": closing("server", before=exchanges(7, 0.3)),
    "max-requests-announced": closing("server", before=counted(5)),
    "request-close-header": closing("server", before=answered(ok(), get("/", "Connection: close"))),
    "http10": closing("server", before=answered(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    "no-length": closing("server", before=answered(response_head("200 OK") + b"all there is")),
    "client-timeout": closing("client", 3, lambda talk: talk.request(get("/slow"))),
    "short-body": closing("server", before=answered(ok(b"x" * 900)[:-100])),
}


@pytest.mark.parametrize("round_trip", [0.0, 0.004, 0.03, 0.25])
@pytest.mark.parametrize("near", ["client", "server"])
@pytest.mark.parametrize("cause", NEEDLESS)
def test_a_cause_is_the_same_from_near_and_far(cause: str, near: Side, round_trip: float) -> None:
    """At the client, at the server, on one machine and across an ocean."""
    report = diagnosed(in_turn(5, NEEDLESS[cause], pause=0.5, begin=remote(near, round_trip)))
    assert causes(report) == [None, *[cause] * 4]
    assert report.totals.extra_handshakes == 4


@pytest.mark.parametrize("near", ["client", "server"])
def test_connections_left_open_are_needless_from_near_and_far(near: Side) -> None:
    report = diagnosed(in_turn(5, exchanges(1), pause=0.5, begin=remote(near, 0.25)))
    assert (report.verdict, report.totals.extra_handshakes) == ("refuted", 4)


@pytest.mark.parametrize("round_trip", [30, 250])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.1])
def test_a_connection_opened_before_the_response_could_be_there(round_trip: int, share: float) -> None:
    """At the server: its SYN comes behind the response to the one before, but within a round trip: the client, far
    away, had none yet when it sent that."""
    first = remote("server", round_trip / 1000)(0, START_NS)
    first.say("client", "PA", get("/1"))
    first.say("server", "PA", ok())
    answered = first.now
    first.ack("client")
    second = remote("server", round_trip / 1000)(1, answered + round(share * round_trip * MS))
    second.exchange(2)
    first.now = second.now + S
    first.exchange(3)
    report = diagnosed([first, second])
    assert report.totals.extra_handshakes == 1
    if share > 1:
        assert report.verdict == "refuted"
    else:
        assert (report.verdict, reasons(report)) == ("inconclusive", {"close-race"})
        assert [found.cause for found in report.findings] == ["unknown"]


@pytest.mark.parametrize("round_trip", [30, 250])
def test_two_connections_that_a_far_client_uses_in_turns(round_trip: int) -> None:
    """At the server each response is gone before the next request is there; that request was on its way before."""
    talks = [remote("server", round_trip / 1000)(number, START_NS + number * round_trip * MS // 2) for number in (0, 1)]
    for number, talk in enumerate(talks):
        for place in range(4):
            talk.say("client", "PA", get(f"/{number}{place}"))
            talk.say("server", "PA", ok())
    report = diagnosed(talks)
    assert report.totals.requests == 8
    assert (report.verdict, reasons(report)) == ("inconclusive", {"close-race"})


# -- many connections, at once and one after the other


def burst(talks: Talks, begin: int, seconds: float = 0.05) -> int:
    """One request on each of these, all under way at once; returns the time of the last response."""
    for place, talk in enumerate(talks):
        moved(talk, max(talk.now, begin + place * 100_000)).request(get("/burst"))
    end = max(talk.now for talk in talks) + round(seconds * S)
    for place, talk in enumerate(talks):
        moved(talk, end + place * 100_000).response(ok())
    return max(talk.now for talk in talks)


EARLIER = pytest.mark.xfail(
    strict=True, reason="what is taken in the same moment counts as idle, and hides the discards"
)


@pytest.mark.parametrize("lead_ms", [pytest.param(4, id="SYNs first"), pytest.param(-1, id="requests first")])
def test_a_pool_too_small_for_its_threads(lead_ms: int) -> None:
    """Five at once, and room for two: three are opened anew, and thrown away, each time. Whose packet is first, that of
    the thread that has a connection or that of one that opens another, is chance."""
    kept = [opened(0), opened(1)]
    thrown: Talks = []
    end = kept[1].now
    for turn in range(4):
        begin = end + S // 2
        asked = begin + lead_ms * STEP_NS
        for talk in kept:
            moved(talk, asked).request(get("/burst"))
        new = [opened(10 + turn * 3 + place, begin + place * 50_000) for place in range(3)]
        end = burst(new, new[-1].now)
        for talk in new:
            talk.close("client")
        for talk in kept:
            moved(talk, end).response(ok())
        thrown += new
        end = max(talk.now for talk in [*kept, *new])
    report = diagnosed([*kept, *thrown])
    assert report.totals.extra_handshakes == 3 * 3
    assert [(found.cause, found.extra) for found in report.findings if found.extra] == [("pool-full", 9)]
    assert finding(report, "pool-full").blame == "client"


def test_threads_without_a_session() -> None:
    """All connections carry one request, and are closed by the client; some overlap."""
    talks: Talks = []
    end = START_NS
    for turn in range(4):
        new = [opened(turn * 3 + place, end + S // 2 + place * 50_000) for place in range(3)]
        burst(new, new[-1].now)
        for talk in new:
            talk.close("client")
        talks += new
        end = max(talk.now for talk in new)
    report = diagnosed(talks)
    assert report.totals.extra_handshakes == 9
    assert [(found.cause, found.extra) for found in report.findings] == [("no-session", 9)]


def test_threads_with_a_session_each() -> None:
    """Each keeps its connection; only sometimes do they ask at once."""
    talks = [opened(number, START_NS + number * S // 3) for number in range(4)]
    for talk in talks:
        talk.exchange()
    end = max(talk.now for talk in talks)
    for turn in range(6):
        end = burst([talks[turn % 4], talks[(turn + 1) % 4]], end + S // 5)
        moved(talks[(turn + 2) % 4], end + S // 5).exchange()
        end = max(talk.now for talk in talks)
    report = diagnosed(talks)
    assert report.totals.extra_handshakes == 2
    assert [(found.cause, found.extra) for found in report.findings] == [("separate-pools", 2)]


def test_a_pool_that_the_server_empties_between_bursts() -> None:
    talks: Talks = []
    begin = START_NS
    for turn in range(3):
        new = [opened(turn * 4 + place, begin + place * 50_000) for place in range(4)]
        burst(new, new[-1].now)
        for talk in new:
            talk.pause(5)
            talk.close("server")
        talks += new
        begin = max(talk.now for talk in new) + 2 * S
    report = diagnosed(talks)
    assert [(found.cause, found.extra) for found in report.findings] == [("server-idle-timeout", 8)]
    assert report.pairs[0].causes == {"concurrency": 3, "server-idle-timeout": 8}
    assert measured(report, "server-idle-timeout") == Measured("server idle timeout", 5.0, "s", 12, 12)


def test_each_cause_of_a_pair_is_told_by_itself() -> None:
    scripts: list[Script] = [
        closing("server", 5, exchanges(2)),
        closing("server", before=answered(ok(b"ok", "Connection: close"))),
        closing("server", 5, exchanges(3)),
        closing("server", before=answered(response_head("200 OK") + b"all")),
    ]
    report = diagnosed(followed(*each(*scripts)))
    assert report.pairs[0].causes == {"server-idle-timeout": 2, "response-close-header": 1, "no-length": 1}
    assert causes(report)[1:] == ["server-idle-timeout", "response-close-header", "server-idle-timeout", "no-length"]
    assert [found.extra for found in report.findings] == [2, 1, 1]


def test_tunnels_at_once_are_no_waste() -> None:
    talks = [opened(number, START_NS + number * 100_000) for number in range(3)]
    for talk in talks:
        talk.request(request_head("CONNECT", "b.example:443"))
        talk.response(response_head("200 Connection established"))
    for talk in talks:
        talk.pause(0.2)
        talk.request(sealed(200))
        talk.response(sealed(300))
    report = diagnosed(talks)
    assert [found for found in report.findings if found.extra] == []
    assert set(causes(report)) <= {None, "concurrency"}


@pytest.mark.parametrize("requests", [1, 2])
@pytest.mark.parametrize("targets", ["aaa", "abc", "aab"])
def test_a_live_client_behind_a_proxy(targets: str, requests: int) -> None:
    """It knows its requests, which the packets don't show: one tunnel for each place that it asks would do."""
    talks: Talks = []
    now = START_NS
    for number, target in enumerate(targets):
        talk = tunnelled(number, now, f"{target}.example:443")
        for _ in range(requests):
            in_secret(talk)
        talk.close("client")
        talks.append(talk)
        now = after(talk, 0.5)
    report = told(talks, Account(session=False))
    assert (report.totals.requests, report.totals.handshakes) == (3 * requests, 3)
    assert report.totals.lower_bound == len(set(targets))
    assert report.verdict == ("proved" if targets == "abc" else "refuted")


def test_a_close_is_dated_from_something_that_is_told() -> None:
    """Where the end of the response is no frame above, it is named."""

    def notes(report: Report) -> list[str]:
        return [cited.note for cited in report.findings[0].evidence]

    secret = in_turn(2, closing("client", 0.001, in_secret), begin=secured)
    assert notes(told(secret, Account(session=False)))[0] == "the client's FIN of #0, 3.00 ms after the response"
    _, end, fin, _ = notes(diagnosed(secret))
    assert (end, fin) == ("last data of the server on #0", "the client's FIN of #0, 3.00 ms after it")


Tunnelled = Callable[[str, int, int], Conversation]


def http_inside(target: str, number: int, now: int) -> Conversation:
    talk = opened(number, now, PROXY)
    talk.request(request_head("CONNECT", target))
    talk.response(response_head("200 Connection established"))
    talk.exchange(number)
    return talk


def websocket_inside(target: str, number: int, now: int) -> Conversation:
    talk = opened(number, now, PROXY)
    talk.request(request_head("CONNECT", target))
    talk.response(response_head("200 Connection established"))
    talk.request(get("/ws", "Upgrade: websocket", "Connection: Upgrade"))
    talk.response(response_head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"))
    talk.close("client")
    return talk


def ssh_inside(target: str, number: int, now: int) -> Conversation:
    talk = opened(number, now, PROXY)
    talk.request(request_head("CONNECT", target))
    talk.response(response_head("200 Connection established"))
    talk.request(b"SSH-2.0-here\r\n")
    talk.response(b"SSH-2.0-there\r\n")
    return talk


@pytest.mark.parametrize(
    ("begin", "targets", "bound"),
    [
        (http_inside, ("a.example:80", "A.example:80"), 1),
        (http_inside, ("a.example:80", "b.example:80"), 2),
        (http_inside, ("a.example:80", "b.example:80", "a.example:80"), 2),
        (websocket_inside, ("a.example:80", "a.example:80"), 2),
        (ssh_inside, ("a.example:22", "a.example:22"), 2),
    ],
)
def test_tunnels_that_stay_open(begin: Tunnelled, targets: tuple[str, ...], bound: int) -> None:
    """Each leads to one place. One is in use while a request inside of it is, where these can be read; else until it is
    closed."""
    talks: Talks = []
    now = START_NS
    for number, target in enumerate(targets):
        talks.append(begin(target, number, now))
        now = after(talks[-1], 0.5)
    report = diagnosed(talks)
    assert (report.totals.handshakes, report.totals.lower_bound) == (len(targets), bound)
    assert report.verdict == ("proved" if bound == len(targets) else "refuted")
    assert [found.cause for found in report.findings if found.extra] == ["proxy-tunnel"] * (bound < len(targets))


def test_requests_at_once_in_tunnels_to_one_place_beside_another() -> None:
    talks = [http_inside("a.example:80", number, START_NS + number * STEP_NS // 2) for number in range(2)]
    talks.append(http_inside("b.example:80", 2, after(talks[-1], 0.5)))
    report = diagnosed(talks)
    assert (report.verdict, report.totals.lower_bound) == ("proved", 3)


def test_a_client_that_gives_up_and_asks_again() -> None:
    """Each time-out costs a connection, and nothing else does."""

    def script(talk: Conversation) -> None:
        exchanges(3, 0.3)(talk)
        talk.request(get("/slow"))
        talk.pause(3)
        talk.fin("client")
        talk.ack("server")
        talk.pause(1)
        talk.say("server", "PA", ok())
        talk.say("client", "R")

    report = diagnosed(followed(*in_turn(3, script, pause=-0.99)))
    assert causes(report)[1:] == ["client-timeout"] * 3


# -- clients that do well


def well() -> dict[str, Talks]:
    """Captures with nothing to tell."""
    found: dict[str, Talks] = {"one connection": [opened()], "nothing said": [opened()]}
    exchanges(5, 0.3)(found["one connection"][0])
    found["pipelining"] = [pipelining()]
    found["concurrency"] = concurrent()
    found["concurrency, the last to start first to end"] = nested()
    found["redirect on one host"] = [redirected()]
    found["long idle that nobody cut"] = [idle()]
    found["long idle with keep-alive probes"] = [probed()]
    found["bodiless responses"] = [bodiless()]
    found["100-continue"] = [continued()]
    found["a websocket, and a connection beside it"] = websocket()
    found["chunks"] = [only(answered(response_head("200 OK", "Transfer-Encoding: chunked") + chunked(b"a" * 500)))]
    found["two servers"] = [only(exchanges(3)), only(exchanges(3), 1, OTHER)]
    found["two clients of one server"] = [only(exchanges(3)), of_client("10.0.0.9")]
    found["closed in the end by the client"] = [only(closing("client", before=exchanges(3)))]
    found["closed in the end by the server"] = [only(closing("server", 5, exchanges(3)))]
    found["TLS, one connection"] = [secured()]
    in_secret(found["TLS, one connection"][0])
    return found


def only(script: Callable[[Conversation], object], number: int = 0, server: tuple[str, int] = SERVER) -> Conversation:
    talk = opened(number, START_NS, server)
    # Each server has a name of its own: one name at two addresses would be told.
    if server == SERVER:
        script(talk)
        return talk
    for _ in range(3):
        talk.request(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n")
        talk.response(ok())
    return talk


def of_client(ip: str) -> Conversation:
    talk = opened(5, START_NS, SERVER, ip)
    exchanges(3)(talk)
    return talk


def pipelining() -> Conversation:
    talk = opened()
    talk.request(get("/1") + get("/2") + get("/3"))
    talk.response(ok(b"1") + ok(b"2"))
    talk.response(ok(b"3"))
    return talk


def concurrent() -> Talks:
    talks = [opened(number, START_NS + number * STEP_NS // 10) for number in range(4)]
    for _ in range(3):
        for talk in talks:
            talk.request(get("/at-once"))
            talk.pause(0.05)
        for talk in talks:
            talk.response(ok())
            talk.pause(0.3)
    return talks


def nested() -> Talks:
    first = opened()
    first.request(get())
    second = opened(1, after(first, 0.01))
    second.request(get())
    third = opened(2, after(second, 0.01))
    third.exchange()
    moved(second, after(third, 0.01)).response(ok())
    moved(first, after(second, 0.01)).response(ok())
    moved(third, after(first, 1)).exchange()
    return [first, second, third]


def redirected() -> Conversation:
    talk = opened()
    talk.request(get("/old"))
    talk.response(response_head("302 Found", "Location: http://a.example/new", "Content-Length: 0"))
    talk.request(get("/new"))
    talk.response(ok())
    return talk


def idle() -> Conversation:
    talk = opened()
    exchanges(3, 3600)(talk)
    return talk


def probed() -> Conversation:
    talk = opened()
    talk.exchange()
    for _ in range(5):
        talk.pause(60)
        probe = talk.ack("client")
        talk.segments[-1] = probe._replace(seq=probe.seq - 1)
        talk.ack("server")
    talk.exchange()
    return talk


def bodiless() -> Conversation:
    talk = opened()
    answered(response_head("200 OK", "Content-Length: 100"), request_head("HEAD", "/"))(talk)
    answered(response_head("204 No Content"), request_head("DELETE", "/"))(talk)
    answered(response_head("304 Not Modified", "Content-Length: 100"))(talk)
    talk.exchange()
    return talk


def continued() -> Conversation:
    talk = opened()
    talk.request(request_head("POST", "/", "Content-Length: 4", "Expect: 100-continue"))
    talk.response(response_head("100 Continue"))
    talk.request(b"body")
    talk.response(ok())
    talk.exchange()
    return talk


def websocket() -> Talks:
    first = opened()
    first.request(get("/chat", "Connection: Upgrade", "Upgrade: websocket"))
    first.response(response_head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"))
    first.response(b"\x81\x05hello")
    second = opened(1, after(first, 0.2))
    exchanges(3, 0.1)(second)
    moved(first, after(second, 0.2)).response(b"\x81\x05hello")
    return [first, second]


@pytest.mark.parametrize("name", well())
def test_silence_about_those_who_do_well(name: str) -> None:
    report = diagnosed(well()[name])
    assert report.findings == ()
    assert set(causes(report)) <= {None, "concurrency"}
    assert report.totals.extra_handshakes == 0
    assert all(set(pair.causes) <= {"concurrency"} for pair in report.pairs)


def test_silence_where_the_capture_begins_inside() -> None:
    talk = opened()
    exchanges(4, 0.2)(talk)
    report = of_segments(talk.segments[7:])
    assert report.findings == ()
    assert causes(report) == [None]


@pytest.mark.parametrize("closer", ["client", "server"])
def test_a_connection_from_before_the_capture_is_accounted_for_as_others(closer: Side) -> None:
    """Its handshake is not in the capture; why it was given up, is."""
    talk = opened()
    exchanges(2, 0.2)(talk)
    closing(closer, 5)(talk)
    following = followed(talk)
    report = of_segments([*talk.segments[3:], *following[1].segments])
    first, second = connections(report)
    assert (first.cause, first.handshake) == (None, "not-seen")
    assert second.cause in ("server-idle-timeout", "client-idle-expiry")
    assert (second.cause == "server-idle-timeout") == (closer == "server")
    assert second.extra is False


def test_many_connections_of_the_same_kind_are_one_finding() -> None:
    report = diagnosed(in_turn(300, closing("client"), pause=0.001))
    (found,) = report.findings
    assert (found.cause, found.extra, len(found.connections)) == ("no-session", 299, 299)


def test_an_empty_capture_has_no_diagnosis() -> None:
    report = of_segments([])
    assert (report.findings, report.pairs) == ((), ())


def test_only_acks_have_no_diagnosis() -> None:
    talk = Conversation()
    for _ in range(3):
        talk.ack("client")
    assert diagnosed([talk]).findings == ()


def test_a_rest_of_something_else() -> None:
    """Connections of no protocol that is known: no requests, so none that would be too many."""

    def script(talk: Conversation) -> None:
        talk.request(b"\x00\x01\x02")
        talk.close("client")

    talks = in_turn(3, script)
    report = diagnosed(talks)
    assert report.totals.extra_handshakes == 0
    assert [found for found in report.findings if found.extra] == []


def test_a_response_that_the_client_has_and_the_capture_has_not() -> None:
    """Met in a capture that dropped packets, of a connection whose server it never heard."""
    unheard = opened()
    unheard.exchange()
    unheard.close("client")
    talks = followed(unheard, pause=1)
    segments = [one for one in merged(*talks) if one.sender != SERVER or one.receiver != unheard.ends["client"].address]
    report = of_segments(segments[3:])
    assert {found.cause for found in report.findings} <= {"unknown"}


def test_a_response_that_is_missing_behind_an_acknowledgement() -> None:
    """Of a connection that was there before the capture: the next response answers the next request."""
    unheard = opened()
    for _ in range(2):
        unheard.exchange()
    unheard.close("client")
    segments = merged(*followed(unheard, pause=1))
    (first, *_) = [one for one in segments[3:] if one.sender == SERVER and one.payload]
    report = of_segments([one for one in segments[3:] if one is not first])
    assert {found.cause for found in report.findings} <= {"unknown"}
