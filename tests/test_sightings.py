"""What is told although it cost no handshake."""

from __future__ import annotations

import pytest
from craft import (
    START_NS,
    Conversation,
    client_hello,
    get,
    merged,
    noise,
    ok,
    request_head,
    response_head,
    server_hello,
    tls_record,
)
from talks import (
    SERVER,
    TLS_SERVER,
    Account,
    S,
    Talks,
    after,
    answered,
    causes,
    closing,
    diagnosed,
    exchanges,
    finding,
    followed,
    in_secret,
    moved,
    of_segments,
    opened,
    refusal,
    secured,
    told,
)

from verifier.catalogue import CAUSES
from verifier.judge.causes import RULES
from verifier.judge.model import Finding, Report

V6 = ("2001:db8::2", 80)
OTHER = ("10.0.0.3", 80)


def sighted(report: Report) -> list[str]:
    """Causes that are told and account for nothing."""
    assert report.totals.extra_handshakes == sum(found.extra for found in report.findings)
    return [found.cause for found in report.findings if not found.extra]


def cited(talks: Talks, found: Finding) -> list[tuple[str, str]]:
    """(sender, flags) of each frame that is cited."""
    segments = merged(*talks)
    chosen = [segments[evidence.frame - 1] for evidence in found.evidence]
    return [(segment.sender[0], segment.flags) for segment in chosen]


def named(host: str, number: int, now: int, server: tuple[str, int]) -> Conversation:
    """A connection with one exchange, to a server by its name."""
    talk = opened(number, now, server)
    talk.request(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    talk.response(ok())
    return talk


# -- attempts that failed over


def fallen_back(wait: float, answered_by_reset: bool = True) -> Talks:
    first = refusal(0, START_NS, V6, "2001:db8::1")
    if not answered_by_reset:
        del first.segments[1:]
    second = opened(1, after(first, wait))
    second.exchange()
    return [first, second]


@pytest.mark.parametrize(
    ("wait", "answered_by_reset", "told_of"),
    [(0.001, True, True), (0.25, False, True), (127, False, True), (10, True, False), (200, False, False)],
)
def test_from_ipv6_to_ipv4(wait: float, answered_by_reset: bool, told_of: bool) -> None:
    report = diagnosed(fallen_back(wait, answered_by_reset))
    assert sighted(report) == ["address-fallback"] * told_of
    assert report.totals.failed_attempts == 1
    assert causes(report) == [None, None]
    assert all(pair.causes == {} for pair in report.pairs)


def test_a_fallback_is_told_in_full() -> None:
    talks = fallen_back(0.001)
    found = finding(diagnosed(talks), "address-fallback")
    assert (found.confidence, found.blame, found.extra, found.cost_ns) == ("certain", "path", 0, 0)
    assert "[2001:db8::2]:80 was refused" in found.text
    assert "10.0.0.2:80" in found.text
    assert found.connections == (1,)
    assert cited(talks, found) == [("2001:db8::1", "S"), ("10.0.0.1", "S")]


def test_from_one_address_to_another_of_the_same_family() -> None:
    first = refusal(0, START_NS, ("10.0.0.9", 80))
    second = opened(1, after(first, 0.001))
    second.exchange()
    assert sighted(diagnosed([first, second])) == ["address-fallback"]


@pytest.mark.parametrize(
    ("server", "client"), [(("10.0.0.9", 81), "10.0.0.1"), (("10.0.0.9", 80), "10.0.0.77"), (SERVER, "10.0.0.1")]
)
def test_other_attempts_that_failed(server: tuple[str, int], client: str) -> None:
    """At another port, of another client, at the same address."""
    first = refusal(0, START_NS, server, client)
    second = opened(1, after(first, 0.001))
    second.exchange()
    assert sighted(diagnosed([first, second])) == []


def one_beside(wait: float, requests: int = 1) -> Talks:
    """An attempt that nobody answers, and a connection to another address of the same family, begun so much later."""
    first = refusal(0, START_NS, ("10.0.0.9", 80))
    del first.segments[1:]
    second = opened(1, START_NS + round(wait * S))
    for _ in range(requests):
        second.exchange()
    return [first, second]


@pytest.mark.parametrize(("wait", "told_of"), [(0.00003, False), (0.049, False), (0.9, False), (1.1, True), (60, True)])
def test_a_client_that_connects_elsewhere_too_has_given_nothing_up(wait: float, told_of: bool) -> None:
    """Crawlers, browsers and peers connect to many addresses at once, and a capture may end before all have answered.
    No client gives an address up before it has sent its SYN twice, unless it races the families of one name."""
    assert sighted(diagnosed(one_beside(wait))) == ["address-fallback"] * told_of


def test_families_race_with_a_head_start() -> None:
    """At the same moment, both were asked for anyway."""
    report = diagnosed(fallen_back(0.05, answered_by_reset=False))
    assert sighted(report) == []


def test_a_connection_that_carries_nothing_is_no_way_out() -> None:
    assert sighted(diagnosed(one_beside(2, requests=0))) == []


# -- redirects to another server, and addresses that change


def test_a_redirect_to_another_server() -> None:
    first = opened()
    answered(response_head("301 Moved Permanently", "Location: http://b.example/new", "Content-Length: 0"))(first)
    second = opened(1, after(first, 0.002), OTHER)
    second.request(b"GET /new HTTP/1.1\r\nHost: b.example\r\n\r\n")
    second.response(ok())
    talks = [first, second]
    found = finding(diagnosed(talks), "redirect")
    assert (found.extra, found.connections, found.confidence) == (0, (1,), "certain")
    assert "b.example" in found.text
    assert cited(talks, found) == [("10.0.0.2", "PA"), ("10.0.0.1", "S")]
    assert causes(diagnosed(talks)) == [None, None]


@pytest.mark.parametrize("target", ["/other", "/"])
def test_another_server_that_no_redirect_led_to(target: str) -> None:
    first = opened()
    answered(response_head("301 Moved Permanently", "Location: http://b.example/new", "Content-Length: 0"))(first)
    second = opened(1, after(first, 0.002), OTHER)
    second.request(f"GET {target} HTTP/1.1\r\nHost: b.example\r\n\r\n".encode())
    second.response(ok())
    assert sighted(diagnosed([first, second])) == []


def test_one_name_at_several_addresses() -> None:
    talks = [named("a.example", number, START_NS + number * S, (f"10.0.1.{number}", 80)) for number in range(3)]
    found = finding(diagnosed(talks), "address-rotation")
    assert (found.blame, found.extra, found.connections) == ("nobody", 0, (1, 2))
    assert "3 addresses" in found.text
    assert cited(talks, found) == [("10.0.0.1", "S")] * 3


def test_one_name_at_several_addresses_inside_of_tls() -> None:
    talks = [secured(number, START_NS + number * S, (f"10.0.1.{number}", 443)) for number in range(2)]
    for talk in talks:
        in_secret(talk)
    assert sighted(diagnosed(talks)) == ["address-rotation"]


@pytest.mark.parametrize(
    ("host", "port", "client"),
    [("b.example", 80, "10.0.0.1"), ("a.example", 8080, "10.0.0.1"), ("a.example", 80, "10.0.0.9")],
)
def test_what_is_no_rotation(host: str, port: int, client: str) -> None:
    """Another name, another port, another client."""
    first = named("a.example", 0, START_NS, ("10.0.1.1", 80))
    second = opened(1, START_NS + S, ("10.0.1.2", port), client)
    second.request(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    second.response(ok())
    assert sighted(diagnosed([first, second])) == []


# -- connections that a pool discards


def overlapping(count: int, kept: int) -> Talks:
    """So many requests at once, twice; behind the first, the client closes all connections but those that it keeps."""
    talks = [opened(number, START_NS + number * 100_000) for number in range(count)]
    for talk in talks:
        talk.request(get("/together"))
        talk.pause(0.05)
    for number, talk in enumerate(talks):
        talk.response(ok())
        if number >= kept:
            talk.close("client")
    for talk in talks[:kept]:
        talk.pause(0.3)
        talk.request(get("/later"))
        talk.response(ok())
    return talks


def test_connections_that_a_full_pool_did_not_take_back() -> None:
    talks = overlapping(5, kept=2)
    found = finding(diagnosed(talks), "pool-full")
    assert (found.connections, found.extra, found.blame) == ((2, 3, 4), 0, "client")
    assert set(cited(talks, found)) == {("10.0.0.1", "FA")}
    assert causes(diagnosed(talks)) == [None, *["concurrency"] * 4]


def test_a_discard_is_sure_where_its_like_is_opened_again() -> None:
    """Else one of several clients may have come to its end: h2load and ab close each when its share is done."""
    talks = overlapping(3, kept=1)
    found = finding(diagnosed(talks), "pool-full")
    assert (found.confidence, found.also) == ("consistent", ("separate-pools",))
    assert "Packets alone can't prove it" in found.text
    again = opened(8, talks[0].now)
    talks[0].request(get("/more"))
    again.exchange()
    moved(talks[0], again.now).response(ok())
    found = finding(diagnosed([*talks, again]), "pool-full")
    assert (found.confidence, found.also) == ("certain", ())


def through(target: str, number: int, now: int) -> Conversation:
    """A tunnel through a proxy."""
    talk = opened(number, now)
    talk.request(request_head("CONNECT", target))
    talk.response(response_head("200 Connection established"))
    return talk


@pytest.mark.parametrize(("other", "uses", "seen"), [("a", 1, []), ("b", 2, []), ("a", 2, ["pool-full"])])
def test_of_tunnels_those_to_the_same_place_have_a_pool(other: str, uses: int, seen: list[str]) -> None:
    """And one that was made, and not used yet, does not go on."""
    first, second = through("a.example:80", 0, START_NS), through(f"{other}.example:80", 1, START_NS + 100_000)
    first.request(get("/"))
    if uses > 1:
        second.exchange()
    moved(first, after(second, 0.02)).response(ok())
    first.close("client")
    moved(second, after(first, 0.01)).exchange()
    second.close("client")
    assert sighted(diagnosed([first, second])) == seen


def test_a_pool_that_takes_all_back() -> None:
    assert sighted(diagnosed(overlapping(5, kept=5))) == []


def test_connections_that_all_end_together_were_not_discarded() -> None:
    assert sighted(diagnosed(overlapping(5, kept=0))) == []


@pytest.mark.parametrize("header", ["Connection: close", ""])
def test_a_close_that_the_server_asked_for_is_no_discard(header: str) -> None:
    first, second = opened(), opened(1, START_NS + 100_000)
    for talk in (first, second):
        talk.request(get("/together"))
        talk.pause(0.05)
    first.response(ok())
    second.response(ok(b"ok", header) if header else ok())
    second.close("client")
    moved(first, after(second, 0.3)).exchange()
    assert sighted(diagnosed([first, second])) == ([] if header else ["pool-full"])


# -- closes that were asked for, and bytes too many


def test_a_close_that_the_server_did_not_heed() -> None:
    talk = opened()
    for _ in range(2):
        answered(ok(), get("/", "Connection: close"))(talk)
    talk.exchange()
    found = finding(diagnosed([talk]), "request-close-header")
    assert (found.extra, found.connections, found.confidence) == (0, (0,), "certain")
    assert "2 requests" in found.text
    assert cited([talk], found) == [("10.0.0.1", "PA")] * 2


def test_a_close_that_the_server_heeded() -> None:
    talk = opened()
    talk.exchange()
    answered(ok(), get("/", "Connection: close"))(talk)
    talk.close("server")
    assert sighted(diagnosed([talk])) == []


def test_bytes_too_many_that_nobody_minded() -> None:
    """In the segment of the response: clients read on, and throw them away."""
    talk = opened()
    talk.request(get())
    talk.response(ok(b"ok") + b"\r\n")
    talk.exchange()
    found = finding(diagnosed([talk]), "excess-bytes")
    assert (found.extra, found.blame) == (0, "server")
    assert cited([talk], found) == [("10.0.0.2", "PA")]


def test_no_bytes_too_many() -> None:
    talk = opened()
    exchanges(3)(talk)
    assert sighted(diagnosed([talk])) == []


def late(talk: Conversation) -> None:
    """A request crosses the server's FIN."""
    talk.exchange()
    talk.pause(6)
    fin = talk.fin("server")
    talk.say("client", "PA", get("/late"), ack=fin.seq)
    talk.reset("server", "R")


def test_a_request_that_met_the_close_and_was_not_sent_again() -> None:
    talk = opened()
    late(talk)
    report = diagnosed([talk])
    found = finding(report, "keepalive-race")
    assert (found.extra, found.blame, found.confidence) == (0, "server", "certain")
    assert cited([talk], found) == [("10.0.0.2", "FA"), ("10.0.0.1", "PA")]


def test_a_request_that_met_the_close_and_was_sent_again() -> None:
    talk = opened()
    late(talk)
    again = opened(1, after(talk, 0.1))
    again.exchange()
    (found,) = diagnosed([talk, again]).findings
    assert (found.cause, found.extra) == ("keepalive-race", 1)


# -- a socket with two owners


def interleaved(agent: str) -> Conversation:
    talk = opened()
    header = f"User-Agent: {agent}"
    answered(ok(), get("/1", header))(talk)
    talk.request(get("/2", header))
    talk.request(get("/3", header))
    talk.response(ok())
    talk.response(ok())
    return talk


@pytest.mark.parametrize(
    ("agent", "told_of"),
    [("python-requests/2.34.2", True), ("python-urllib3/2.8.0", True), ("curl/8.5.0", True), ("wrk", False)],
)
def test_requests_that_overlap_on_one_connection(agent: str, told_of: bool) -> None:
    """Of a client that may pipeline, nothing is said."""
    report = diagnosed([interleaved(agent)])
    assert sighted(report) == ["fork"] * told_of
    if told_of:
        found = finding(report, "fork")
        assert (found.confidence, found.blame) == ("consistent", "client")
        assert cited([interleaved(agent)], found) == [("10.0.0.1", "PA")]
        assert "Packets alone can't prove it" in found.text


def test_responses_that_the_capture_has_not_are_not_waited_for() -> None:
    """One way alone, as on loopback behind nft's redirect: the client acknowledges each response all the same."""
    talk = opened()
    for _ in range(3):
        answered(ok(), get("/", "User-Agent: python-requests/2.34.2"))(talk)
    report = of_segments([segment for segment in talk.segments if segment.sender[0] == "10.0.0.1"])
    assert (sighted(report), report.verdict) == ([], "inconclusive")


@pytest.mark.parametrize(
    ("pause", "waits", "also"),
    [
        (2.5, 0.0, ("path-dropped", "server-restart")),
        (2.5, 1.0, ("path-dropped", "server-restart")),
        (0.0, 0.0, ("max-requests-silent", "server-restart")),
        (0.0, 1.0, ()),
    ],
)
def test_a_server_that_closes_with_a_request_in_hand(pause: float, waits: float, also: tuple[str, ...]) -> None:
    """Squid finds its idle limit passed when the request is there; Tinyproxy closes behind each response, and does not
    look what has come. Nobody tries again: the request failed. Who takes a while over it, without a pause before, is
    no such server."""
    talk = opened()
    talk.exchange()
    talk.pause(pause)
    talk.request(get("/late"))
    talk.pause(waits)
    talk.close("server")
    report = diagnosed([talk])
    assert sighted(report) == ["keepalive-race"] * bool(also)
    if also:
        found = finding(report, "keepalive-race")
        assert (found.confidence, found.also, found.extra) == ("consistent", also, 0)
        assert "just as a request had come" in found.text


def test_a_server_that_never_answered_kept_nothing() -> None:
    """Two requests, one behind the other, and a close: there was no response for a pause to begin with."""
    talk = opened()
    talk.request(get("/1"))
    talk.request(get("/2"))
    talk.close("server")
    assert sighted(diagnosed([talk])) == []


def test_an_upload_that_was_answered_early_is_no_fork() -> None:
    talk = opened()
    header = "User-Agent: python-requests/2.34.2"
    for _ in range(3):
        answered(ok(), get("/", header))(talk)
    assert sighted(diagnosed([talk])) == []


# -- TLS connections that carry nothing


def test_tls_connections_that_raced() -> None:
    first = secured()
    second = secured(1, START_NS + 500_000)
    third = secured(2, START_NS + 700_000)
    in_secret(first)
    report = diagnosed([first, second, third])
    found = finding(report, "alpn-fanout")
    assert set(found.connections) == {1, 2}
    assert (found.extra, found.blame, found.confidence) == (0, "client", "consistent")


def test_tls_connections_that_were_all_used() -> None:
    first, second = secured(), secured(1, START_NS + 500_000)
    in_secret(first)
    in_secret(second)
    assert "alpn-fanout" not in sighted(diagnosed([first, second]))


def distrusted(number: int, now: int) -> Conversation:
    """A TLS handshake that the client gives up when it has seen what the server has to show."""
    talk = opened(number, now, TLS_SERVER)
    talk.say("client", "PA", client_hello(tls13=False))
    talk.say("server", "PA", server_hello(tls13=False) + tls_record(22, noise(900, "certificate")))
    talk.close("client")
    return talk


def test_tls_that_never_came_about_is_no_race() -> None:
    """Two at a time, and none of them carried anything: not one was enough."""
    talks = [distrusted(number, START_NS + number // 2 * S + number % 2 * 500_000) for number in range(4)]
    report = diagnosed(talks)
    (found,) = report.findings
    assert (found.cause, tuple(found.connections)) == ("unknown", (1, 2, 3))
    assert "closed by the client before TLS was agreed" in found.text


# -- all together


def test_what_accounts_for_handshakes_is_not_told_twice() -> None:
    def script(talk: Conversation) -> None:
        talk.exchange()
        talk.say("server", "PA", b"\r\n")
        talk.reset("client")

    first = opened()
    script(first)
    report = diagnosed(followed(first))
    assert [found.cause for found in report.findings] == ["excess-bytes"]


def test_sightings_come_after_what_cost_something() -> None:
    first = opened()
    answered(ok(), get("/", "Connection: close"))(first)
    closing("server", 5)(first)
    report = diagnosed(followed(first))
    assert [(found.cause, bool(found.extra)) for found in report.findings] == [
        ("server-idle-timeout", True),
        ("request-close-header", False),
    ]


def test_a_sighting_never_changes_the_verdict() -> None:
    for talks in (fallen_back(0.001), overlapping(4, 1), [interleaved("curl/8")]):
        report = diagnosed(talks)
        assert report.findings
        assert report.verdict == "proved"


def test_each_cause_that_has_no_row_is_sighted_here() -> None:
    here = {"address-fallback", "address-rotation"}
    assert here == set(CAUSES) - {rule.cause for rule in RULES}


def test_a_live_run_is_looked_at_as_well() -> None:
    report = told(overlapping(4, 2), Account(discarded=(2, 3)))
    assert sighted(report) == ["pool-full"]
