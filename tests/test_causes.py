"""The decision table: for each of its rows a small conversation that leads to it, and neighbours that differ in one
fact.

What is expected is what the catalogue of causes says of such packets. The last connection of a story, at least, is one
that its pair could have done without; each story says which cause that has, how sure the packets make it, whose fault
it is, and how many extra handshakes the cause accounts for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from craft import (
    CLOSE_NOTIFY,
    CLOSE_NOTIFY_12,
    H2_HEADERS,
    H2_PREFACE,
    H2_SETTINGS,
    START_NS,
    Address,
    Conversation,
    Segment,
    Side,
    get,
    h2_frame,
    h2_goaway,
    merged,
    noise,
    ok,
    request_head,
    response_head,
    sealed,
)
from hypothesis import given
from hypothesis import strategies as st
from talks import (
    PLAIN,
    PROXY,
    SERVER,
    TLS_SERVER,
    Account,
    S,
    Script,
    Talks,
    after,
    answered,
    causes,
    closing,
    diagnosed,
    each,
    exchanges,
    finding,
    followed,
    in_secret,
    in_turn,
    moved,
    opened,
    refusal,
    rules,
    secured,
    secured12,
    told,
    tunnelled,
)

from verifier.catalogue import CAUSES
from verifier.clients.run import Request
from verifier.judge.causes import NEARLY_CONCURRENT, RULES, UNKNOWN, decide
from verifier.judge.model import Report

SIGHTED = {"address-fallback", "address-rotation"}
"""Causes that never open a connection to a server that was connected to before: see test_sightings."""

OTHER_SERVER = ("10.0.0.3", 80)


FORWARDED = get("/", "X-Forwarded-For: 192.0.2.7")


class Story(NamedTuple):
    build: Callable[[], Talks]
    cause: str
    confidence: str
    blame: str
    extra: int
    also: tuple[str, ...]
    account: Account | None
    """Of a live run; None for a saved capture."""

    def report(self) -> Report:
        talks = self.build()
        return told(talks, self.account) if self.account is not None else diagnosed(talks)


STORIES: dict[str, Story] = {}


def story(
    cause: str, confidence: str, blame: str, extra: int = 1, also: Sequence[str] = (), account: Account | None = None
) -> Callable[[Callable[[], Talks]], Callable[[], Talks]]:
    """Enters a story into the table, by its name."""

    def enter(build: Callable[[], Talks]) -> Callable[[], Talks]:
        name = build.__name__.replace("_", " ")
        assert name not in STORIES
        STORIES[name] = Story(build, cause, confidence, blame, extra, tuple(also), account)
        return build

    return enter


CLIENT, NOBODY, PATH = "client", "nobody", "path"
BY_SERVER = "server"
SURE, MAYBE = "certain", "consistent"
NEEDED = SURE
"""No news: nothing could be spared."""


def ended(script: Script, talk: Conversation | None = None) -> Conversation:
    """A connection with this script."""
    talk = talk or opened()
    script(talk)
    return talk


def both(first: Script, second: Script) -> Script:
    def script(talk: Conversation) -> None:
        first(talk)
        second(talk)

    return script


def two_open(second: Script) -> tuple[Conversation, Conversation]:
    """Two connections that were needed at once, and are then left for different times."""
    first, other = opened(), opened(1)
    other.now += 100_000
    for talk in (first, other):
        talk.request(get("/both"))
        talk.pause(0.05)
    for talk in (first, other):
        talk.response(ok())
    other.pause(3)
    second(other)
    return first, other


# -- evidence that is worth nothing, and what messages say by themselves


@story(UNKNOWN, MAYBE, NOBODY)
def a_request_is_missing_from_the_capture() -> Talks:
    first = ended(exchanges(2))
    del first.segments[-4]
    first.close("client")
    return followed(first)


@story(UNKNOWN, MAYBE, BY_SERVER)
def a_server_closes_what_it_has_just_accepted() -> Talks:
    """The first request meets the FIN. No connection was kept, so that no timeout of the server's can be too short."""
    first = opened()
    fin = first.fin("server")
    first.say("client", "PA", get("/"), ack=fin.seq)
    first.reset("server", "R")
    return followed(first)


def websocket() -> Conversation:
    first = opened()
    first.request(get("/chat", "Connection: Upgrade", "Upgrade: websocket"))
    first.response(response_head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"))
    return first


@story(UNKNOWN, MAYBE, NOBODY)
def a_websocket_has_ended_and_the_next_is_not_used() -> Talks:
    first = websocket()
    first.response(b"\x81\x05hello")
    first.close("client")
    return [first, opened(1, after(first, 0.2))]


@story("no-session", SURE, CLIENT)
def a_websocket_was_the_last_to_end() -> Talks:
    """It could not have been used again; the other one could."""
    first = websocket()
    second = ended(closing("client"), opened(1, after(first, 0.2)))
    moved(first, after(second, 2)).response(b"\x81\x05hello")
    first.close("client")
    return followed(first, second)


NTLM = response_head("401 Unauthorized", "WWW-Authenticate: NTLM", "Content-Length: 0")


@story("connection-auth", SURE, CLIENT)
def a_challenge_to_the_connection_and_then_another_one() -> Talks:
    return followed(ended(closing("client", before=answered(NTLM))))


@story("connection-auth", SURE, CLIENT)
def a_challenge_to_a_connection_that_stays_open() -> Talks:
    return followed(ended(answered(NTLM)))


def through(number: int, now: int) -> Conversation:
    """A connection to a proxy that has made a tunnel of it."""
    talk = opened(number, now)
    talk.request(request_head("CONNECT", "b.example:80"))
    talk.response(response_head("200 Connection established"))
    return talk


@story("proxy-tunnel", NEEDED, NOBODY, extra=0)
def tunnels_to_two_places_through_one_proxy() -> Talks:
    return [tunnelled(0, START_NS), tunnelled(1, START_NS + S, "b.example:443")]


@story("proxy-tunnel", NEEDED, NOBODY, extra=0)
def a_tunnel_and_then_a_request_that_needs_none() -> Talks:
    return followed(ended(exchanges(1), through(0, START_NS)))


@story("proxy-tunnel", MAYBE, CLIENT, also=("no-session", "response-close-header"))
def a_tunnel_for_each_request() -> Talks:
    return in_turn(2, closing("client", before=in_secret), begin=tunnelled)


def test_tunnels_to_more_places_than_are_looked_at_one_by_one() -> None:
    """Each place is asked for twice, after a hundred others."""
    talks: list[Conversation] = []
    for number in range(200):
        talk = tunnelled(number, after(talks[-1], 0.2) if talks else START_NS, f"{number % 100}.example:443")
        in_secret(talk)
        talk.close("client")
        talks.append(talk)
    report = diagnosed(talks)
    (pair,) = report.pairs
    assert (pair.extra_handshakes, pair.causes) == (100, {"proxy-tunnel": 199})


@story("proxy-tunnel", SURE, CLIENT)
def a_readable_tunnel_for_each_request() -> Talks:
    return in_turn(2, closing("client"), begin=through)


@story("proxy-tunnel", MAYBE, CLIENT, extra=0, also=("concurrency", "body-unread"))
def a_tunnel_beside_one_with_tls_that_is_idle() -> Talks:
    return [ended(in_secret, tunnelled(number, START_NS + number * S)) for number in range(2)]


@story("proxy-tunnel", MAYBE, CLIENT, also=("separate-pools", "body-unread"))
def a_tunnel_beside_an_idle_one() -> Talks:
    return in_turn(2, exchanges(1), begin=through)


@story("proxy-tunnel", SURE, CLIENT)
def a_tunnel_beside_an_idle_one_that_is_used_again() -> Talks:
    first, second = in_turn(2, exchanges(1), begin=through)
    moved(first, after(second, 0.2)).exchange()
    return [first, second]


@story("proxy-tunnel", MAYBE, CLIENT, also=("concurrency",))
def a_tunnel_beside_one_that_has_just_come_to_rest() -> Talks:
    return in_turn(2, exchanges(1), pause=0.005, begin=through)


@story("no-session", SURE, CLIENT, also=("proxy-tunnel",), account=Account(session=False))
def a_live_client_without_a_session_and_a_tunnel_for_each_request() -> Talks:
    return in_turn(2, closing("client", before=in_secret), begin=tunnelled)


@story("no-session", MAYBE, CLIENT)
def tunnels_that_carried_several_requests() -> Talks:
    return in_turn(2, closing("client", before=exchanges(2, 0.1)), begin=through)


@story("server-idle-timeout", SURE, BY_SERVER, extra=2)
def tunnels_that_are_closed_when_idle() -> Talks:
    return in_turn(3, closing("server", 5), begin=through)


MOVED_TO_NAME = response_head("301 Moved Permanently", "Location: http://b.example/there", "Content-Length: 0")
MOVED_TO_SELF = response_head("301 Moved Permanently", "Location: /there", "Content-Length: 0")
THERE = b"GET /there HTTP/1.1\r\nHost: b.example\r\n\r\n"


@story("redirect", SURE, CLIENT)
def a_redirect_to_another_name_of_the_server() -> Talks:
    first = ended(answered(MOVED_TO_NAME))
    second = opened(1, after(first, 0.001))
    second.request(THERE)
    second.response(ok())
    return [first, second]


@story("redirect", MAYBE, CLIENT, also=["response-close-header"])
def a_server_that_closes_behind_a_redirect() -> Talks:
    first = ended(closing("server", before=answered(MOVED_TO_SELF)))
    second = opened(1, after(first, 0.001))
    second.request(get("/there"))
    second.response(ok())
    second.exchange()
    return [first, second]


# -- an earlier connection is open and idle


@story("body-unread", SURE, CLIENT, account=Account(unread=True))
def a_live_client_leaves_bodies_unread() -> Talks:
    return followed(ended(exchanges(1)))


@story("body-unread", SURE, CLIENT)
def a_client_that_has_stopped_reading_opens_another() -> Talks:
    first = opened()
    first.request(get())
    first.response(response_head("200 OK", "Content-Length: 100000") + b"x" * 1000)
    first.segments.append(first.ack("client")._replace(window=0))
    return followed(first)


@story("body-unread", MAYBE, CLIENT, also=["no-session"])
def a_response_is_thrown_away_later() -> Talks:
    first = ended(exchanges(1))
    first, second = followed(first)
    moved(first, after(second, 0.3)).reset("client")
    return [first, second]


@story("host-spelling", MAYBE, NOBODY, also=["separate-pools"])
def two_names_that_may_be_two_sites() -> Talks:
    first = ended(exchanges(1))
    second = opened(1, after(first, 0.2))
    second.request(b"GET / HTTP/1.1\r\nHost: shop.example.org\r\n\r\n")
    second.response(ok())
    return [first, second]


@story("host-spelling", SURE, CLIENT)
def one_server_by_two_names() -> Talks:
    first = ended(exchanges(1))
    second = opened(1, after(first, 0.2))
    second.request(b"GET / HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n")
    second.response(ok())
    return [first, second]


@story("host-spelling", MAYBE, NOBODY, extra=0, also=["separate-pools"])
def a_server_by_its_name_and_by_its_address_inside_of_tls() -> Talks:
    """TLS names no address."""
    first = secured()
    in_secret(first)
    second = secured(1, after(first, 0.2), sni="")
    in_secret(second)
    in_secret(moved(first, after(second, 0.2)))
    return [first, second]


def test_a_client_hello_that_the_capture_lacks_names_no_address() -> None:
    first, second = STORIES["a server by its name and by its address inside of tls"].build()
    hello = next(segment for segment in second.segments if segment.payload)
    second.segments.remove(hello)
    assert "host-spelling" not in causes(diagnosed([first, second]))


def probed_in_vain() -> Conversation:
    """An idle connection on which the client's keep-alive probes get no answer."""
    first = ended(exchanges(1))
    for _ in range(4):
        first.pause(60)
        probe = first.ack("client")
        first.segments[-1] = probe._replace(seq=probe.seq - 1)
    return first


@story("path-dropped", MAYBE, PATH, also=["server-restart"])
def nobody_answers_the_probes_on_an_open_connection() -> Talks:
    return followed(probed_in_vain())


def used_while_another_opens() -> Talks:
    """TLS: the first is ready and answers once, while the second is opened, which is never used."""
    first = secured()
    in_secret(first)
    return [first, secured(1, after(first, 0.001))]


@story("alpn-fanout", MAYBE, CLIENT, extra=0)
def two_tls_connections_and_the_first_has_answered_already() -> Talks:
    return used_while_another_opens()


@story("separate-pools", SURE, CLIENT)
def the_idle_one_is_used_again_and_only_then_a_body_is_left_unread() -> Talks:
    """What is unread came after the new one was opened: it kept nobody from using the one before."""
    first = ended(exchanges(1))
    second = opened(1, after(first, 0.3))
    second.exchange()
    moved(first, after(second, 0.3)).request(get("/large"))
    first.response(response_head("200 OK", "Content-Length: 5000") + noise(1000))
    first.reset("client")
    moved(second, after(first, 0.3)).exchange()
    return [first, second]


@story("concurrency", SURE, NOBODY, extra=0)
def the_idle_one_is_taken_again_before_the_new_one_has_answered() -> Talks:
    first = ended(exchanges(1))
    second = opened(1, first.now)
    second.request(get("/second"))
    moved(first, second.now).exchange()
    moved(second, first.now).response(ok())
    return [first, second]


@story("body-unread", MAYBE, CLIENT, also=["no-session"])
def a_client_of_go_closes_behind_a_short_response() -> Talks:
    """Its transport keeps what was read, and lets connections of a forgotten transport stand open."""
    return followed(ended(closing("client", before=answered(ok(), get("/", "User-Agent: Go-http-client/1.1")))))


@story("no-session", MAYBE, CLIENT)
def a_program_with_a_session_is_run_again() -> Talks:
    """Each run keeps its connection, for as long as it lasts."""
    return followed(ended(closing("client", before=exchanges(2))))


@story("no-session", SURE, CLIENT)
def a_client_of_go_closes_where_there_was_nothing_to_read() -> Talks:
    script = answered(response_head("204 No Content"), get("/", "User-Agent: Go-http-client/1.1"))
    return followed(ended(closing("client", before=script)))


@story("separate-pools", SURE, CLIENT)
def a_program_that_comes_when_another_one_has_closed() -> Talks:
    first = ended(closing("server", before=answered(OLD_RESPONSE, get("/", "User-Agent: one/1.0"))))
    second = ended(answered(ok(), get("/", "User-Agent: other/2.0")), opened(1, after(first, 1)))
    return [first, second]


@story("separate-pools", SURE, CLIENT)
def two_programs_by_their_names() -> Talks:
    first = ended(both(answered(ok(), get("/", "User-Agent: one/1.0")), exchanges(1)))
    second = ended(answered(ok(), get("/", "User-Agent: other/2.0")), opened(1, after(first, 1)))
    return [first, second]


@story("separate-pools", MAYBE, CLIENT, also=["no-session", "path-dropped"])
def one_that_was_used_twice_and_then_no_more() -> Talks:
    first = ended(exchanges(2))
    return [first, ended(exchanges(1), opened(1, after(first, 1)))]


@story("max-requests-announced", MAYBE, BY_SERVER, also=["server-restart", "response-close-header"])
def two_side_by_side_that_end_together_after_as_many() -> Talks:
    first = opened()
    second = opened(1, first.now)
    for talk in (first, second):
        exchanges(2)(talk)
        answered(ok(b"last", "Connection: close"))(talk)
        talk.close("server")
    return [first, second, ended(exchanges(1), opened(2, after(first, 1)))]


@story(UNKNOWN, MAYBE, NOBODY)
def the_idle_one_had_come_to_rest_just_before() -> Talks:
    first, other = two_open(exchanges(1))
    other.close("client")
    moved(first, after(other, 0.2)).exchange()
    third = ended(exchanges(1), opened(2, first.now))
    moved(first, third.now).exchange()
    return [first, other, third]


@story("tls-settings-differ", MAYBE, CLIENT, extra=0, also=["separate-pools", "no-session"])
def two_tls_connections_used_in_turn() -> Talks:
    first = ended(in_secret, secured())
    second = ended(in_secret, secured(1, after(first, 0.2)))
    moved(first, after(second, 0.2))
    in_secret(first)
    moved(second, after(first, 0.2))
    in_secret(second)
    return [first, second]


@story("tls-settings-differ", MAYBE, CLIENT, extra=0, also=["separate-pools", "no-session"])
def two_tls_connections_each_used_again_one_after_the_other() -> Talks:
    first = secured()
    in_secret(first)
    first.pause(0.1)
    in_secret(first)
    second = secured(1, after(first, 0.2))
    in_secret(second)
    second.pause(0.1)
    in_secret(second)
    return [first, second]


@story("separate-pools", MAYBE, CLIENT, extra=0, also=["tls-settings-differ", "concurrency"])
def two_tls_connections_used_at_once() -> Talks:
    first = ended(in_secret, secured())
    second = ended(in_secret, secured(1, after(first, 0.2)))
    begin = after(second, 0.2)
    moved(first, begin).request(sealed(200))
    moved(second, begin + 500_000).request(sealed(200))
    moved(first, begin + 20_000_000).response(sealed(300))
    moved(second, begin + 20_500_000).response(sealed(300))
    return [first, second]


@story("separate-pools", SURE, CLIENT)
def two_connections_used_in_turn() -> Talks:
    first = ended(exchanges(1))
    second = ended(exchanges(1), opened(1, after(first, 0.2)))
    moved(first, after(second, 0.2)).exchange()
    moved(second, after(first, 0.2)).exchange()
    return [first, second]


@story("separate-pools", MAYBE, CLIENT, also=["concurrency"])
def a_second_one_opened_before_the_client_may_have_known_that_the_first_was_free() -> Talks:
    """Measured with Node's fetch, which awaits each response: the second SYN 7 ms behind the first response."""
    first = ended(exchanges(1))
    second = ended(exchanges(1), opened(1, after(first, 0.007)))
    moved(first, after(second, 0.002)).exchange()
    moved(second, after(first, 0.002)).exchange()
    return [first, second]


@story("separate-pools", SURE, CLIENT, extra=2)
def three_used_in_turn_from_the_beginning() -> Talks:
    talks: Talks = []
    now = START_NS
    for number in range(3):
        talks.append(ended(exchanges(1), opened(number, now)))
        now = after(talks[-1], 0.007)
    for talk in talks:
        moved(talk, now).exchange()
        now = after(talk, 0.002)
    return talks


@story(UNKNOWN, MAYBE, NOBODY)
def the_open_one_never_carried_anything() -> Talks:
    return followed(opened())


@story("no-session", MAYBE, CLIENT, also=["separate-pools", "body-unread"])
def the_open_one_is_never_used_again() -> Talks:
    return followed(ended(exchanges(1)))


# -- each earlier connection is open and busy


def tls_at_once() -> Talks:
    first = secured()
    return [first, secured(1, first.segments[0].ts_ns + 500_000)]


@story("alpn-fanout", MAYBE, CLIENT, extra=0)
def two_tls_connections_at_once_and_the_second_carries_nothing() -> Talks:
    first, second = tls_at_once()
    in_secret(first)
    return [first, second]


@story("alpn-fanout", MAYBE, CLIENT, extra=0)
def two_tls_connections_at_once_and_the_first_carries_nothing() -> Talks:
    first, second = tls_at_once()
    in_secret(second)
    return [first, second]


def unheard(idle: float = 400.0, times: int = 5) -> Conversation:
    """A connection whose last request is sent again and again, and never acknowledged."""
    first = ended(exchanges(1))
    first.pause(idle)
    request = first.say("client", "PA", get("/2"))
    for number in range(times):
        first.pause(0.2 * 2**number)
        first.again(request)
    return first


@story("path-dropped", MAYBE, PATH, extra=0, also=["server-restart", "client-timeout"])
def nobody_hears_the_request_on_an_open_connection() -> Talks:
    return followed(unheard())


@story("no-length", SURE, BY_SERVER)
def a_response_without_length_still_comes_as_the_next_is_opened() -> Talks:
    first = opened()
    first.request(get())
    first.response(response_head("200 OK") + b"all there is")
    second = opened(1, after(first, 0.1))
    moved(first, second.now).fin("server")
    first.ack("client")
    moved(second, after(first, 0.1)).exchange()
    return [first, second]


@story("body-unread", MAYBE, CLIENT, also=["concurrency"])
def a_body_still_comes_as_the_next_is_opened_and_then_is_given_up() -> Talks:
    first = opened()
    first.request(get())
    first.response(response_head("200 OK", "Content-Length: 100000") + b"x" * 1000)
    second = opened(1, after(first, 0.01))
    moved(first, after(second, 0.01)).response(b"x" * 1000)
    moved(second, after(first, 0.01)).exchange()
    moved(first, after(second, 0.01)).reset("client")
    return [first, second]


@story("body-unread", MAYBE, CLIENT, extra=0, also=["concurrency"])
def a_body_has_stopped_for_good_as_the_next_is_opened() -> Talks:
    first = opened()
    first.request(get())
    first.response(response_head("200 OK", "Content-Length: 100000") + b"x" * 1000)
    return followed(first, pause=2)


def busy_and_then_free() -> Talks:
    """The second is opened while the first is busy; before the second can ask, the first is free."""
    first = opened()
    first.request(get())
    second = opened(1, after(first, 0.01))
    moved(first, after(second, 0.01)).response(ok())
    return [first, second]


@story(UNKNOWN, MAYBE, NOBODY)
def opened_beside_a_busy_one_and_never_used() -> Talks:
    return busy_and_then_free()


@story(UNKNOWN, MAYBE, NOBODY)
def opened_beside_a_busy_one_that_was_free_a_moment_later() -> Talks:
    first, second = busy_and_then_free()
    moved(second, after(first, 0.01)).exchange()
    return [first, second]


# -- closed: what messages, or bytes that are none, say


@story("unsolicited-response", SURE, BY_SERVER)
def a_408_on_an_idle_connection() -> Talks:
    first = ended(exchanges(1))
    first.pause(5)
    first.say("server", "PA", response_head("408 Request Timeout", "Connection: close", "Content-Length: 0"))
    first.close("server")
    return followed(first)


@story("bodiless-quirk", SURE, BY_SERVER)
def a_body_behind_the_response_to_head() -> Talks:
    first = opened()
    first.request(request_head("HEAD", "/"))
    first.response(response_head("200 OK", "Content-Length: 17"))
    first.say("server", "PA", b"<html>no!</html>\n")
    first.reset("client")
    return followed(first)


@story("excess-bytes", SURE, BY_SERVER)
def bytes_behind_the_end_of_a_body() -> Talks:
    first = ended(exchanges(1))
    first.say("server", "PA", b"\r\n")
    first.reset("client")
    return followed(first)


@story("early-response", SURE, BY_SERVER)
def a_413_before_the_upload_is_over() -> Talks:
    first = opened()
    first.request(request_head("POST", "/", "Content-Length: 100000") + b"x" * 1000)
    first.response(response_head("413 Content Too Large", "Connection: close", "Content-Length: 0"))
    first.close("server")
    return followed(first)


def h2_opened(number: int = 0, now: int | None = None) -> Conversation:
    talk = opened(number, now) if now is not None else opened(number)
    talk.request(H2_PREFACE + h2_frame(H2_SETTINGS))
    talk.response(h2_frame(H2_SETTINGS))
    talk.request(h2_frame(H2_HEADERS, 1, b"\x82\x84\x86", 5))
    talk.response(h2_frame(H2_HEADERS, 1, b"\x88", 5))
    return talk


@story("h2-goaway", SURE, BY_SERVER)
def a_goaway_in_the_clear() -> Talks:
    first = h2_opened()
    first.say("server", "PA", h2_goaway(1))
    first.close("server")
    return [first, h2_opened(1, after(first, 0.2))]


# -- closed before the response was there, or whole


def cut_off(kind: str, requests: int = 2, pause: float = 0.0, began: bool = False) -> Conversation:
    """The server closes with the last request, of so many, unanswered; or answered in part."""
    first = ended(exchanges(requests - 1, 0.1))
    first.pause(pause)
    first.request(get("/last"))
    if began:
        first.response(response_head("200 OK", "Content-Length: 1000") + b"x" * 100)
    if kind == "RST":
        first.reset("server")
    else:
        first.close("server")
    return first


def alert_for_data(pause: float) -> Talks:
    """The server answers data with an alert, and closes."""
    first = ended(in_secret, secured())
    first.pause(pause)
    first.request(sealed(200))
    first.say("server", "PA", CLOSE_NOTIFY)
    first.close("server")
    return followed(first)


@story("fork", MAYBE, CLIENT, also=["keepalive-race", "server-restart"])
def an_alert_for_data_in_the_midst_of_use() -> Talks:
    return alert_for_data(0.001)


@story("keepalive-race", MAYBE, BY_SERVER, also=["fork", "server-restart"])
def an_alert_for_data_after_a_pause() -> Talks:
    return alert_for_data(5)


@story("keepalive-race", SURE, BY_SERVER, also=["balancer-idle-timeout"])
def a_request_of_a_balancer_crosses_the_fin_of_the_server() -> Talks:
    first = ended(answered(ok(), FORWARDED))
    first.pause(5)
    fin = first.fin("server")
    first.say("client", "PA", FORWARDED, ack=fin.seq)
    first.reset("server", "R")
    return followed(first)


@story("server-restart", SURE, BY_SERVER)
def a_request_is_cut_off_and_then_attempts_are_refused() -> Talks:
    first = cut_off("RST")
    return followed(first, refusal(1, after(first, 0.1)))


@story("server-restart", SURE, BY_SERVER)
def a_request_and_an_idle_connection_are_cut_off_in_the_same_instant() -> Talks:
    first, other = two_open(lambda talk: talk.request(get("/last")))
    moved(first, other.now).close("server")
    moved(other, first.now).reset("server")
    return followed(first, other)


@story("path-dropped", SURE, PATH)
def a_reset_from_another_distance() -> Talks:
    first = cut_off("RST", pause=1)
    first.segments[-1] = first.segments[-1]._replace(ttl=251)
    return followed(first)


@story("path-dropped", MAYBE, PATH, also=["server-restart", "client-timeout"])
def nobody_hears_the_request_and_the_client_gives_up() -> Talks:
    first = unheard(idle=1)
    first.fin("client")
    return followed(first)


@story("path-dropped", MAYBE, PATH, also=["keepalive-race", "server-restart"])
def a_reset_after_a_long_pause() -> Talks:
    return followed(cut_off("RST", pause=351))


@story("server-restart", MAYBE, BY_SERVER, also=["keepalive-race"])
def a_server_that_had_the_request_for_a_while_closes() -> Talks:
    first = ended(exchanges(1))
    first.request(get("/crash"))
    first.pause(0.2)
    first.close("server")
    return followed(first)


@story("keepalive-race", SURE, BY_SERVER)
def a_request_crosses_the_fin_of_the_server() -> Talks:
    first = ended(exchanges(1))
    first.pause(5)
    fin = first.fin("server")
    first.say("client", "PA", get("/late"), ack=fin.seq)
    first.reset("server", "R")
    return followed(first)


@story("keepalive-race", MAYBE, BY_SERVER, also=["path-dropped", "server-restart"])
def a_request_after_a_pause_is_reset() -> Talks:
    return followed(cut_off("RST", pause=5))


@story(UNKNOWN, MAYBE, BY_SERVER)
def a_server_takes_a_request_and_closes_at_once() -> Talks:
    first = opened()
    first.request(get("/fails"))
    first.close("server")
    return followed(first)


@story("keepalive-race", MAYBE, BY_SERVER, also=["max-requests-silent", "server-restart"])
def a_request_without_a_pause_is_reset() -> Talks:
    return followed(cut_off("RST"))


@story(UNKNOWN, MAYBE, NOBODY)
def the_first_request_of_a_connection_is_reset() -> Talks:
    return followed(cut_off("RST", requests=1))


def given_up(waited: float, requests: int = 2) -> Conversation:
    """The client closes with its last request unanswered."""
    first = ended(exchanges(requests - 1, 0.1))
    first.request(get("/slow"))
    first.pause(waited)
    first.close("client")
    return first


@story("client-fault", MAYBE, CLIENT, also=["client-timeout"])
def a_used_connection_is_closed_within_milliseconds_of_a_request() -> Talks:
    return followed(given_up(0.002))


@story("client-timeout", MAYBE, CLIENT, also=["client-fault"])
def a_new_connection_is_closed_within_milliseconds_of_a_request() -> Talks:
    return followed(given_up(0.002, requests=1))


@story("client-timeout", SURE, CLIENT, account=Account(last=lambda last: last._replace(timed_out=True)))
def a_live_client_says_that_it_gave_up() -> Talks:
    return followed(given_up(0.5))


@story("client-timeout", MAYBE, CLIENT, also=["body-unread"])
def a_client_gives_up_inside_of_tls() -> Talks:
    first = ended(in_secret, secured())
    first.request(sealed(200))
    first.pause(2)
    first.close("client")
    return followed(first)


@story("client-timeout", SURE, CLIENT)
def a_client_gives_up() -> Talks:
    return followed(given_up(2))


@story("server-restart", SURE, BY_SERVER)
def a_response_is_cut_off_and_then_attempts_are_refused() -> Talks:
    first = cut_off("RST", began=True)
    return followed(first, refusal(1, after(first, 0.1)))


@story("server-restart", SURE, BY_SERVER, extra=1)
def a_response_and_an_idle_connection_are_cut_off_in_the_same_instant() -> Talks:
    def begin(talk: Conversation) -> None:
        talk.request(get("/last"))
        talk.response(response_head("200 OK", "Content-Length: 1000") + b"x" * 100)

    first, other = two_open(begin)
    moved(first, other.now).close("server")
    moved(other, first.now).reset("server")
    return followed(first, other)


@story("short-body", MAYBE, BY_SERVER, also=["server-restart"])
def a_reset_in_the_middle_of_a_body() -> Talks:
    return followed(cut_off("RST", began=True))


@story("short-body", SURE, BY_SERVER)
def a_fin_in_the_middle_of_a_body() -> Talks:
    return followed(cut_off("FIN", began=True))


def unread(close: str, waited: float) -> Conversation:
    """The client closes in the middle of a body."""
    first = opened()
    first.request(get())
    first.response(response_head("200 OK", "Content-Length: 100000") + b"x" * 1000)
    first.pause(waited)
    if close == "RST":
        first.reset("client")
    else:
        first.close("client")
    return first


@story("client-timeout", MAYBE, CLIENT, also=["body-unread"])
def a_client_gives_up_where_a_body_has_stalled() -> Talks:
    return followed(unread("FIN", 2))


@story("body-unread", SURE, CLIENT)
def a_client_resets_in_the_middle_of_a_body() -> Talks:
    return followed(unread("RST", 0))


@story("body-unread", SURE, CLIENT)
def a_client_closes_in_the_middle_of_a_body_at_once() -> Talks:
    """No timeout is that short."""
    return followed(unread("FIN", 0))


@story("body-unread", MAYBE, CLIENT, also=["client-timeout"])
def a_client_closes_in_the_middle_of_a_body() -> Talks:
    return followed(unread("FIN", 0.1))


# -- closed behind a whole response: as announced


@story("request-close-header", SURE, CLIENT)
def the_request_asks_for_the_close() -> Talks:
    return followed(ended(closing("server", before=answered(ok(), get("/", "Connection: close")))))


OLD_REQUEST = b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n"
OLD_RESPONSE = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"


@story("http10", SURE, CLIENT)
def a_client_of_http_10() -> Talks:
    return followed(ended(closing("server", before=answered(ok(), OLD_REQUEST))))


OLD_AND_KEPT = b"GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n"


def kept_until_the_last(talk: Conversation) -> None:
    """HTTP/1.0 asked for and kept alive by the word of both sides, until the server says otherwise."""
    for _ in range(3):
        answered(ok(b"ok", "Connection: keep-alive"), OLD_AND_KEPT)(talk)
    answered(ok(b"ok", "Connection: close"), OLD_AND_KEPT)(talk)
    talk.close("server")


@story("max-requests-announced", SURE, BY_SERVER, extra=2)
def a_limit_for_a_client_of_http_10_that_keeps_alive() -> Talks:
    return followed(*in_turn(2, kept_until_the_last))


@story("response-close-header", MAYBE, BY_SERVER, also=["http10", "max-requests-announced"])
def a_close_that_a_client_of_http_10_did_not_ask_for() -> Talks:
    return followed(ended(kept_until_the_last))


@story("http10", SURE, BY_SERVER)
def a_server_of_http_10() -> Talks:
    return followed(ended(closing("server", before=answered(OLD_RESPONSE))))


BAD = response_head("400 Bad Request", "Connection: close", "Content-Length: 0")


@story("error-closes", SURE, CLIENT)
def an_error_closes_where_other_responses_do_not() -> Talks:
    def script(talk: Conversation) -> None:
        talk.exchange()
        answered(BAD)(talk)
        talk.close("server")

    return followed(ended(script))


@story("error-closes", SURE, CLIENT)
def a_proxy_refuses_each_tunnel() -> Talks:
    """Python's http.client asks in HTTP/1.0, and closes. The refusal is why, not the version."""

    def refused(talk: Conversation) -> None:
        talk.request(b"CONNECT b.example:443 HTTP/1.0\r\n\r\n")
        talk.response(response_head("407 Proxy Authentication Required", "Content-Length: 0"))

    return in_turn(2, closing("client", before=refused))


def a_refusal(target: str = "b.example:443") -> Script:
    """A CONNECT that the proxy refuses, on a connection that both keep."""
    return answered(
        response_head("407 Proxy Authentication Required", "Content-Length: 0"), request_head("CONNECT", target)
    )


@story("server-idle-timeout", SURE, BY_SERVER, extra=2)
def a_proxy_that_has_refused_a_tunnel_closes_much_later() -> Talks:
    return in_turn(3, closing("server", 60, a_refusal()))


@story("no-session", MAYBE, CLIENT, also=("separate-pools", "body-unread"))
def a_tunnel_is_refused_and_its_connection_stays_open() -> Talks:
    """There is no tunnel that could be idle."""
    return in_turn(2, a_refusal())


@story("separate-pools", SURE, CLIENT)
def a_tunnel_is_refused_on_two_connections_in_turn() -> Talks:
    first, second = in_turn(2, a_refusal(), pause=1)
    a_refusal()(moved(first, after(second, 1)))
    return [first, second]


def test_a_refused_tunnel_went_before_one_to_another_place() -> None:
    """Each place is another one; a connection that became no tunnel could have led to any."""
    scripts = [closing("client", before=a_refusal(f"{name}.example:443")) for name in "ab"]
    refused = each(*scripts, begin=lambda number, now: opened(number, now, PROXY))
    last = tunnelled(2, after(refused[-1], 1), "c.example:443")
    in_secret(last)
    report = diagnosed([*refused, last])
    (pair,) = report.pairs
    assert (pair.extra_handshakes, pair.causes) == (2, {"error-closes": 2})


def test_where_none_went_before_none_is_said_to_be_open() -> None:
    """Only a tunnel to another place did, and is closed."""
    first = tunnelled()
    in_secret(first)
    first.close("client")
    second = opened(1, after(first, 1), PROXY)
    a_refusal()(second)
    report = diagnosed([first, second])
    assert finding(report, UNKNOWN).text == "1 connection opened, and nothing in the packets says why."


def test_refused_tunnels_beside_other_errors_are_not_said_to_be_all() -> None:
    failed = closing("server", before=answered(BAD))
    report = diagnosed(each(closing("client", before=a_refusal()), failed, failed, failed))
    text = finding(report, "error-closes").text
    assert "3 connections ended after an error (400 and 407)" in text
    assert "the proxy refused" not in text


@story("error-closes", MAYBE, CLIENT, also=["response-close-header"])
def an_error_closes_and_there_is_nothing_else() -> Talks:
    return in_turn(2, closing("server", before=answered(BAD)))


LAST = ok(b"ok", "Connection: close")


def saying_close_behind(count: int) -> Script:
    """So many exchanges, the last of which announces the close."""

    def script(talk: Conversation) -> None:
        exchanges(count - 1)(talk)
        answered(LAST)(talk)
        talk.close("server")

    return script


@story("max-requests-announced", SURE, BY_SERVER, extra=2)
def every_third_response_announces_the_close() -> Talks:
    return followed(*in_turn(2, saying_close_behind(3)))


@story("max-requests-announced", SURE, BY_SERVER)
def keep_alive_counts_down_to_the_close() -> Talks:
    def script(talk: Conversation) -> None:
        answered(ok(b"ok", "Keep-Alive: timeout=5, max=1"))(talk)
        answered(ok(b"ok", "Connection: close"))(talk)
        talk.close("server")

    return followed(ended(script))


@story("server-never-keeps-alive", SURE, BY_SERVER)
def gunicorn_says_close() -> Talks:
    return followed(ended(closing("server", before=answered(ok(b"ok", "Server: gunicorn", "Connection: close")))))


@story("server-never-keeps-alive", MAYBE, BY_SERVER, extra=4, also=["response-close-header"])
def every_response_says_close() -> Talks:
    return in_turn(5, saying_close_behind(1))


CLOSE_WITHOUT_LENGTH = response_head("200 OK", "Connection: close") + b"all there is"


@story("server-never-keeps-alive", MAYBE, BY_SERVER, extra=9, also=["response-close-header", "no-length"])
def every_response_says_close_and_has_no_length() -> Talks:
    return in_turn(10, closing("server", before=answered(CLOSE_WITHOUT_LENGTH)))


@story("response-close-header", MAYBE, BY_SERVER, also=["server-never-keeps-alive"])
def both_responses_say_close() -> Talks:
    return in_turn(2, saying_close_behind(1))


@story("response-close-header", SURE, BY_SERVER, also=["no-length"])
def a_response_says_close_and_has_no_length() -> Talks:
    first = ended(exchanges(1))
    closing("server", before=answered(CLOSE_WITHOUT_LENGTH))(first)
    return followed(first)


@story("response-close-header", SURE, BY_SERVER)
def a_response_says_close() -> Talks:
    return followed(ended(saying_close_behind(2)))


@story("no-length", SURE, BY_SERVER)
def a_response_ends_with_its_connection() -> Talks:
    return followed(ended(closing("server", before=answered(response_head("200 OK") + b"all there is"))))


# -- closed behind a whole response: by the server, unannounced


@story("server-restart", SURE, BY_SERVER)
def an_idle_connection_is_closed_and_then_attempts_are_refused() -> Talks:
    first = ended(closing("server", 2))
    return followed(first, refusal(1, after(first, 0.1)))


@story("server-restart", SURE, BY_SERVER)
def three_are_closed_in_the_same_instant_behind_responses_of_different_times() -> Talks:
    talks = [opened(number) for number in range(3)]
    for number, talk in enumerate(talks):
        talk.request(get())
        talk.pause(0.05 + 0.004 * number)
        talk.response(ok())
    end = after(talks[-1], 0.01)
    for number, talk in enumerate(talks):
        moved(talk, end + 1_000 * number).close("server")
    return followed(*talks)


@story("server-restart", MAYBE, BY_SERVER, also=["server-idle-timeout"])
def two_are_closed_in_the_same_instant_after_different_pauses() -> Talks:
    first, other = two_open(exchanges(1))
    other.pause(0.5)
    moved(first, after(other, 0.001)).close("server")
    other.close("server")
    return followed(first, other)


def says_goodbye(talk: Conversation) -> None:
    """HTTP/2 inside of TLS 1.2: after its idle timeout the server says GOAWAY, and closes."""
    in_secret(talk)
    talk.request(sealed(33))
    talk.pause(5)
    talk.say("server", "PA", sealed(41))
    talk.say("server", "PA", CLOSE_NOTIFY_12)
    talk.close("server")


@story("tls-close-notify", MAYBE, BY_SERVER, extra=2, also=["server-idle-timeout", "h2-goaway"])
def http2_inside_of_tls_is_closed_after_the_same_time() -> Talks:
    talks = [ended(says_goodbye, secured12(alpn="h2"))]
    talks.append(ended(says_goodbye, secured12(1, after(talks[0], 1), "h2")))
    return followed(*talks, pause=1)


@story("h2-goaway", MAYBE, BY_SERVER, also=["server-idle-timeout", "tls-close-notify"])
def http2_inside_of_tls_is_closed() -> Talks:
    first = ended(in_secret, secured12(alpn="h2"))
    first.pause(1)
    first.close("server")
    return followed(first)


def secrets(count: int, last: bytes = b"", gap: float = 0.0) -> Script:
    """So many exchanges inside of TLS, and the server's close, behind an alert where one is given."""

    def script(talk: Conversation) -> None:
        for _ in range(count):
            in_secret(talk)
        talk.pause(gap)
        if last:
            talk.say("server", "PA", last)
        talk.close("server")

    return script


@story("max-requests-announced", MAYBE, BY_SERVER, 2, ["max-requests-silent", "response-close-header", "h2-goaway"])
def the_same_count_inside_of_tls() -> Talks:
    return followed(*in_turn(2, secrets(3), begin=secured))


def shorter_by_five(talk: Conversation) -> None:
    """Two exchanges inside of TLS; the second response has `close` where the first has `keep-alive`."""
    for size in (400, 395):
        talk.request(sealed(200))
        talk.response(sealed(size))
    talk.close("client")


@story("max-requests-announced", MAYBE, BY_SERVER, extra=2, also=["no-session"])
def the_last_response_inside_of_tls_is_shorter_each_time() -> Talks:
    return followed(*in_turn(2, shorter_by_five, begin=secured))


@story("response-close-header", MAYBE, BY_SERVER, also=["max-requests-announced", "no-session"])
def the_last_response_inside_of_tls_is_shorter() -> Talks:
    return followed(ended(shorter_by_five, secured()))


@story("tls-close-notify", SURE, BY_SERVER, also=["server-idle-timeout"])
def a_close_notify_after_a_pause() -> Talks:
    return followed(ended(secrets(1, CLOSE_NOTIFY, 5), secured()))


@story("tls-close-notify", SURE, BY_SERVER, also=["server-idle-timeout"])
def a_close_notify_of_tls_12_after_a_pause() -> Talks:
    return followed(ended(secrets(1, CLOSE_NOTIFY_12, 5), secured12()))


@story("no-session", MAYBE, CLIENT, also=["response-close-header", "max-requests-announced"])
def a_client_that_says_goodbye_and_the_server_is_first_with_its_fin() -> Talks:
    """As curl and a server on the same machine."""
    first = ended(in_secret, secured())
    first.say("client", "PA", CLOSE_NOTIFY)
    first.close("server")
    return followed(first)


@story("no-session", MAYBE, CLIENT, also=["response-close-header", "max-requests-announced"])
def a_client_that_says_goodbye_and_is_answered() -> Talks:
    first = ended(in_secret, secured())
    first.say("client", "PA", CLOSE_NOTIFY)
    first.say("server", "PA", CLOSE_NOTIFY)
    first.close("client")
    return followed(first)


AT_ONCE_IN_SECRET = ["response-close-header", "max-requests-announced", "request-close-header"]
"""Node without keep-alive asks for the close, which nobody can read."""


@story("tls-close-notify", MAYBE, BY_SERVER, also=AT_ONCE_IN_SECRET)
def a_close_notify_behind_the_response() -> Talks:
    return followed(ended(secrets(1, CLOSE_NOTIFY), secured()))


@story(
    "response-close-header",
    MAYBE,
    BY_SERVER,
    also=["max-requests-announced", "max-requests-silent", "request-close-header"],
)
def a_fin_behind_the_response_inside_of_tls() -> Talks:
    return followed(ended(secrets(1), secured()))


@story("max-requests-silent", SURE, BY_SERVER, extra=2)
def a_close_behind_every_third_response_that_did_not_say_so() -> Talks:
    return followed(*in_turn(2, closing("server", before=exchanges(3))))


@story("bodiless-quirk", MAYBE, BY_SERVER, also=["max-requests-silent"])
def a_close_behind_the_response_to_head() -> Talks:
    def script(talk: Conversation) -> None:
        talk.exchange()
        answered(response_head("200 OK", "Content-Length: 17"), request_head("HEAD", "/"))(talk)
        talk.close("server")

    return followed(ended(script))


@story("bodiless-quirk", MAYBE, BY_SERVER, also=["max-requests-silent"])
def a_close_behind_the_response_to_head_and_another_behind_get() -> Talks:
    first, second = a_close_behind_the_response_to_head()
    exchanges(2)(second)
    second.close("server")
    return [first, second]


@story("server-never-keeps-alive", MAYBE, BY_SERVER, extra=3, also=["max-requests-silent"])
def a_close_behind_every_response_that_did_not_say_so() -> Talks:
    return in_turn(4, closing("server"))


@story("max-requests-silent", MAYBE, BY_SERVER, extra=2, also=["server-idle-timeout"])
def connections_of_the_same_age_are_closed() -> Talks:
    def script(count: int, gap: float) -> Script:
        return closing("server", gap, exchanges(count, 1))

    first = ended(script(3, 7.9))
    second = ended(script(8, 2.9), opened(1, after(first, 0.2)))
    return followed(first, second)


@story("max-requests-silent", MAYBE, BY_SERVER, also=["server-restart"])
def a_close_behind_one_of_several_responses() -> Talks:
    return followed(ended(closing("server", before=exchanges(3))))


@story("server-never-keeps-alive", MAYBE, BY_SERVER, also=["max-requests-silent", "server-restart"])
def a_close_behind_the_only_response() -> Talks:
    return followed(ended(closing("server")))


@story("server-reset-idle", MAYBE, PATH)
def an_idle_connection_is_reset_from_another_distance() -> Talks:
    first = ended(exchanges(1))
    first.pause(5)
    first.reset("server")
    first.segments[-1] = first.segments[-1]._replace(ttl=251)
    return followed(first)


@story("server-reset-idle", MAYBE, BY_SERVER, also=["server-restart"])
def an_idle_connection_is_reset_that_was_kept_for_longer_before() -> Talks:
    first = ended(exchanges(2, 10))
    first.pause(3)
    first.reset("server")
    return followed(first)


@story("server-reset-idle", SURE, BY_SERVER)
def an_idle_connection_is_reset() -> Talks:
    first = ended(exchanges(1))
    first.pause(5)
    first.reset("server")
    return followed(first)


@story("server-idle-timeout", SURE, BY_SERVER, extra=3)
def idle_connections_are_closed_after_the_same_time() -> Talks:
    return followed(*in_turn(3, closing("server", 5, exchanges(2, 0.3)), pause=1))


@story("server-idle-timeout", SURE, BY_SERVER)
def an_idle_connection_is_closed_when_keep_alive_said() -> Talks:
    return followed(ended(closing("server", 5, answered(ok(b"ok", "Keep-Alive: timeout=5")))))


@story("server-idle-timeout", MAYBE, BY_SERVER, also=["server-restart"])
def an_idle_connection_is_closed_once() -> Talks:
    return followed(ended(closing("server", 5)))


@story("server-restart", MAYBE, BY_SERVER, also=["server-idle-timeout", "max-requests-silent"])
def an_idle_connection_is_closed_after_less_than_others_lived_through() -> Talks:
    return followed(ended(closing("server", 2, exchanges(3, 20))))


@story("server-idle-timeout", MAYBE, BY_SERVER, also=["client-idle-expiry"])
def both_close_an_idle_connection() -> Talks:
    first = ended(exchanges(1))
    first.pause(5)
    fin = first.fin("server")
    first.say("client", "FA", ack=fin.seq)
    return followed(first)


# -- closed behind a whole response: by the client


@story("path-dropped", MAYBE, PATH, also=["server-restart"])
def nobody_answers_the_probes_and_the_client_gives_up() -> Talks:
    first = probed_in_vain()
    first.reset("client")
    return followed(first)


@story("pool-full", SURE, CLIENT, account=Account(discarded=(0,)))
def a_live_client_says_that_it_discarded_the_connection() -> Talks:
    return followed(ended(closing("client")))


@story("body-unread", SURE, CLIENT, account=Account(unread=True))
def a_live_client_leaves_bodies_unread_and_closes() -> Talks:
    return followed(ended(closing("client")))


@story("pool-full", SURE, CLIENT)
def the_client_closes_one_of_two_behind_the_response() -> Talks:
    first, other = opened(), opened(1)
    other.now += 100_000
    for talk in (first, other):
        talk.request(get("/both"))
        talk.pause(0.05)
    first.response(ok())
    other.response(ok())
    other.close("client")
    moved(first, after(other, 0.1)).request(get("/again"))
    third = opened(2, after(first, 0.01))
    third.request(get("/too"))
    third.pause(0.05)
    third.response(ok())
    moved(first, third.now).response(ok())
    return [first, other, third]


@story("pool-full", MAYBE, CLIENT, also=["response-close-header", "no-session"])
def the_client_closes_one_of_two_inside_of_tls() -> Talks:
    first, other = secured(), secured(1, START_NS + 100_000)
    for talk in (first, other):
        talk.request(sealed(200))
        talk.pause(0.05)
    for talk in (first, other):
        talk.response(sealed(300))
    other.close("client")
    moved(first, after(other, 0.1)).request(sealed(200))
    third = secured(2, after(first, 0.01))
    in_secret(third)
    moved(first, third.now).response(sealed(300))
    return [first, other, third]


HTTPX = get("/", "User-Agent: python-httpx/0.28.1")


@story("client-idle-expiry", MAYBE, CLIENT, also=["pool-evicted"])
def a_client_known_to_expire_does_so_as_it_turns_to_yet_another_server() -> Talks:
    first = ended(answered(ok(), HTTPX))
    second = ended(answered(ok(), HTTPX), opened(1, after(first, 0.2), OTHER_SERVER))
    third_at = after(second, 6)
    moved(first, third_at).close("client")
    third = ended(answered(ok(), HTTPX), opened(2, third_at + 1_000_000, ("10.0.0.4", 80)))
    return [first, second, third, *followed(moved(first, third.now))[1:]]


@story("client-idle-expiry", MAYBE, CLIENT, also=["pool-evicted", "no-session"])
def a_client_known_to_expire_does_so_as_it_turns_to_another_server() -> Talks:
    return turning(ended(both(answered(ok(), HTTPX), exchanges(1))), 6)


@story("pool-evicted", MAYBE, CLIENT, also=["no-session"])
def a_connection_used_twice_is_closed_as_the_client_turns_to_another_server() -> Talks:
    """One that keeps a single pool, or a Session for each server."""
    return turning(ended(exchanges(2)), 0)


@story("pool-evicted", MAYBE, CLIENT, also=["no-session"])
def the_client_closes_an_idle_connection_as_it_first_turns_to_another_server() -> Talks:
    return turning(ended(exchanges(1)), 6)


@story("no-session", MAYBE, CLIENT, also=["pool-evicted"])
def the_client_closes_behind_the_response_and_turns_to_another_server() -> Talks:
    return turning(ended(exchanges(1)), 0)


def turning(first: Conversation, gap: float) -> Talks:
    """The client closes the connection as it opens another one, to another server; then it needs a new one."""
    first.pause(gap)
    first.close("client")
    second = opened(8, first.now, OTHER_SERVER)
    second.request(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n")
    second.response(ok())
    return followed(first, second)


@story("pool-evicted", SURE, CLIENT)
def the_client_closes_as_it_turns_to_another_server() -> Talks:
    first = ended(exchanges(1))
    second = opened(1, after(first, 0.2), OTHER_SERVER)
    second.exchange()
    third_at = after(second, 0.2)
    moved(first, third_at).close("client")
    third = opened(2, third_at + 1_000_000, ("10.0.0.4", 80))
    third.exchange()
    fourth = opened(3, after(third, 0.2))
    fourth.exchange()
    return [first, second, third, fourth]


@story("body-unread", MAYBE, CLIENT, also=["no-session"])
def the_client_resets_behind_the_whole_response() -> Talks:
    first = ended(exchanges(1))
    first.reset("client")
    return followed(first)


@story("balancer-idle-timeout", SURE, PATH, extra=2)
def a_balancer_closes_after_the_same_time() -> Talks:
    return followed(*in_turn(2, closing("client", 60, answered(ok(), FORWARDED)), pause=1))


@story("balancer-idle-timeout", MAYBE, PATH, also=["client-idle-expiry"])
def a_balancer_closes_once() -> Talks:
    return followed(ended(closing("client", 60, answered(ok(), FORWARDED))))


@story("client-idle-expiry", SURE, CLIENT, extra=2)
def a_timer_of_the_client_closes_after_the_same_time() -> Talks:
    return followed(*in_turn(2, closing("client", 15), pause=3))


@story("client-idle-expiry", SURE, CLIENT)
def a_client_known_to_expire_does_so() -> Talks:
    first = ended(closing("client", 7.3, answered(ok(), get("/", "User-Agent: python-httpx/0.28.1"))))
    return followed(first, pause=0.001)


@story("client-idle-expiry", MAYBE, CLIENT, also=["no-session"])
def a_client_known_to_expire_closes_once_and_opens_another_much_later() -> Talks:
    first = ended(closing("client", 7.3, answered(ok(), get("/", "User-Agent: python-httpx/0.28.1"))))
    return followed(first, pause=2)


@story("pool-evicted", MAYBE, CLIENT, also=["client-idle-expiry", "no-session"])
def the_client_closes_as_another_server_has_answered() -> Talks:
    first = ended(exchanges(1))
    second = opened(1, after(first, 0.2), OTHER_SERVER)
    second.exchange()
    moved(first, after(second, 0.001)).close("client")
    return followed(first, second)


@story("client-idle-expiry", MAYBE, CLIENT, also=["no-session"])
def a_used_connection_is_closed_after_a_longer_pause_than_ever() -> Talks:
    return followed(ended(closing("client", 7, exchanges(3, 1))), pause=2)


@story("no-session", MAYBE, CLIENT, also=["client-idle-expiry"])
def a_used_connection_is_closed_after_a_shorter_pause_than_it_lived_through() -> Talks:
    """No idle limit is shorter than a pause after which the client used its connection again."""
    return followed(ended(closing("client", 1.2, exchanges(3, 5))), pause=2)


@story("no-session", MAYBE, CLIENT, also=["client-idle-expiry"])
def a_connection_is_closed_as_the_next_is_opened_after_a_shorter_pause_than_it_lived_through() -> Talks:
    return followed(ended(closing("client", 1.2, exchanges(3, 5))), pause=0)


@story("client-idle-expiry", MAYBE, CLIENT, also=["no-session"])
def a_connection_is_closed_as_the_next_is_opened() -> Talks:
    return followed(ended(closing("client", 7)), pause=0)


@story("no-session", MAYBE, CLIENT)
def a_client_known_not_to_expire_closes_an_idle_connection() -> Talks:
    script = closing("client", 7, answered(ok(), get("/", "User-Agent: python-requests/2.34.2")))
    return followed(ended(script), pause=3)


@story("no-session", MAYBE, CLIENT, also=["client-idle-expiry"])
def a_connection_is_closed_some_time_after_its_only_response() -> Talks:
    return followed(ended(closing("client", 7)), pause=3)


@story("bodiless-quirk", MAYBE, CLIENT, also=["no-session"])
def the_client_closes_behind_a_204() -> Talks:
    def script(talk: Conversation) -> None:
        talk.exchange()
        answered(response_head("204 No Content"))(talk)
        talk.close("client")

    return followed(ended(script))


@story("no-session", MAYBE, CLIENT, also=["response-close-header", "max-requests-announced"])
def the_client_closes_behind_a_response_inside_of_tls() -> Talks:
    first = ended(in_secret, secured())
    first.close("client")
    return followed(first)


def to_the_same_count(alpn: str) -> Talks:
    """Inside of TLS connections are closed behind the third answer: by the server, by the client."""
    talks: Talks = []
    now = START_NS
    for number, side in enumerate(("server", "client", "client")):
        talk = secured12(number, now, alpn)
        for _ in range(3):
            in_secret(talk)
        talk.close("server" if side == "server" and alpn != "h2" else "client")
        talks.append(talk)
        now = after(talk, 0.2)
    return followed(*talks)


@story("max-requests-announced", MAYBE, BY_SERVER, extra=3, also=["no-session"])
def the_same_count_inside_of_tls_whoever_closes() -> Talks:
    return to_the_same_count("http/1.1")


@story("h2-goaway", MAYBE, BY_SERVER, extra=3, also=["no-session"])
def the_same_count_of_http2_and_the_client_closes() -> Talks:
    return to_the_same_count("h2")


@story("no-session", MAYBE, CLIENT, also=["pool-full"])
def the_client_closes_behind_a_response_where_others_were_kept_before() -> Talks:
    first, other = opened(), opened(1)
    for talk in (first, other):
        talk.request(get("/both"))
        talk.pause(0.05)
    for talk in (first, other):
        talk.response(ok())
        talk.pause(0.2)
        talk.exchange()
        talk.close("client")
    return followed(first, other)


@story("no-session", SURE, CLIENT, extra=3)
def the_client_closes_behind_each_response() -> Talks:
    return in_turn(4, closing("client"))


@story("alpn-fanout", MAYBE, CLIENT)
def two_tls_connections_at_once_and_the_first_is_closed_unused() -> Talks:
    first = secured()
    first.close("client")
    return [first, ended(in_secret, secured(1, first.now))]


@story(UNKNOWN, MAYBE, NOBODY)
def the_client_closes_a_connection_that_it_never_used() -> Talks:
    first = opened()
    first.pause(3)
    first.close("client")
    return followed(first)


# -- what a live client adds


def over_tls(closer: Side, count: int = 1) -> Talks:
    """Exchanges inside of TLS, and a close behind the last."""
    first = ended(secrets(count), secured()) if closer == "server" else secured()
    if closer == "client":
        in_secret(first)
        first.close("client")
    return followed(first)


def saying_so(request: Request) -> Request:
    return request._replace(said_close=True)


@story("response-close-header", SURE, BY_SERVER, account=Account(last=saying_so))
def a_live_client_read_connection_close_inside_of_tls() -> Talks:
    return over_tls("server", 2)


@story("request-close-header", SURE, CLIENT, account=Account(last=lambda last: last._replace(asked_close=True)))
def a_live_client_sent_connection_close_inside_of_tls() -> Talks:
    return over_tls("server")


@story("http10", SURE, BY_SERVER, account=Account(last=lambda last: last._replace(http10=True)))
def a_live_client_read_http_10_inside_of_tls() -> Talks:
    return over_tls("server")


@story("max-requests-silent", MAYBE, BY_SERVER, also=["server-restart"], account=PLAIN)
def a_live_client_read_no_reason_inside_of_tls() -> Talks:
    return over_tls("server", 2)


@story("no-session", SURE, CLIENT, account=Account(session=False))
def a_live_client_without_a_session_inside_of_tls() -> Talks:
    return over_tls("client")


@story("no-session", SURE, CLIENT, account=Account(session=False))
def a_live_client_without_a_session_leaves_connections_open() -> Talks:
    return followed(ended(exchanges(1)))


def without_a_session(response: bytes) -> Talks:
    return followed(ended(closing("server", before=answered(response))))


@story("no-session", SURE, CLIENT, also=["http10"], account=Account(session=False))
def a_live_client_without_a_session_at_a_server_of_http_10() -> Talks:
    return without_a_session(OLD_RESPONSE)


@story("no-session", SURE, CLIENT, also=["response-close-header"], account=Account(session=False))
def a_live_client_without_a_session_at_a_server_that_closes() -> Talks:
    return without_a_session(ok(b"ok", "Connection: close"))


@story("no-session", SURE, CLIENT, account=Account(session=False))
def a_live_client_without_a_session_at_a_server_that_closes_without_a_word() -> Talks:
    return in_turn(2, closing("server"))


@story(
    "no-session",
    SURE,
    CLIENT,
    also=["response-close-header"],
    account=Account(session=False, last=saying_so),
)
def a_live_client_without_a_session_read_connection_close_inside_of_tls() -> Talks:
    return over_tls("server")


def test_a_session_would_not_help_alone_where_the_server_says_nothing() -> None:
    talks = followed(ended(closing("server")))
    assert finding(told(talks, Account(session=False)), "no-session").text == (
        "the client has no Session, and so opened a new connection; the server would not have kept the one before"
        " either."
    )
    assert "no-session" not in {each.cause for each in told(talks).findings}


@pytest.mark.parametrize("response", [OLD_RESPONSE, ok(b"ok", "Connection: close")], ids=["http10", "close"])
def test_a_session_would_not_help_alone(response: bytes) -> None:
    """Both are true of the live run; of its capture alone only what the server did is."""
    talks = without_a_session(response)
    found = finding(told(talks, Account(session=False)), "no-session")
    assert found.text == (
        "the client has no Session, and so opened a new connection; the server would not have kept the one before"
        " either."
    )
    assert not {"http10", "response-close-header"} & {each.cause for each in told(talks).findings} - set(found.also)
    assert {each.cause for each in diagnosed(talks).findings} == set(found.also)


# -- the table


@pytest.mark.parametrize("name", STORIES)
def test_what_a_story_comes_to(name: str) -> None:
    told_of = STORIES[name]
    report = told_of.report()
    if told_of.cause in ("concurrency", "proxy-tunnel") and told_of.blame == NOBODY and not told_of.extra:
        assert told_of.cause in causes(report)
        assert report.findings == ()
        return
    found = finding(report, told_of.cause)
    assert (found.confidence, found.blame, found.extra, found.also) == (
        told_of.confidence,
        told_of.blame,
        told_of.extra,
        told_of.also,
    )
    assert [other.cause for other in report.findings if other.extra] == [told_of.cause] * bool(told_of.extra)
    assert ("Packets alone can't prove it" in found.text) == (found.confidence == MAYBE and found.cause != UNKNOWN)


def test_each_row_is_reached() -> None:
    reached = {place for told_of in STORIES.values() for place in rules(told_of.report())}
    if NEARLY_CONCURRENT in reached:  # by way of those that say concurrency
        reached |= {place for place, rule in enumerate(RULES) if rule.cause == "concurrency"}
    lacking = [f"{place}: {RULES[place]}" for place in range(len(RULES)) if place not in reached]
    assert not lacking


@pytest.mark.parametrize("name", STORIES)
def test_what_holds_of_any_diagnosis(name: str) -> None:
    """Sums, order, and what each connection says of itself, fit together."""
    report = STORIES[name].report()
    connections = list(report.details.connections())
    assert sum(found.extra for found in report.findings) == report.totals.extra_handshakes
    assert sum(found.cost_ns for found in report.findings) == report.totals.cost_ns
    assert [found.extra for found in report.findings] == sorted(
        (found.extra for found in report.findings), reverse=True
    )
    for place, pair in enumerate(report.pairs):
        first, *others = [connection for connection in connections if connection.pair == place]
        assert (first.cause, first.extra) == (None, False)
        counted = Counter(other.cause for other in others if other.cause)
        assert pair.causes == counted
        assert sum(pair.causes.values()) == pair.handshakes - 1
        assert sum(other.extra for other in others) == pair.extra_handshakes
    for found in report.findings:
        assert found.blame in ("client", "server", "path", "nobody")
        if found.extra:
            assert {connections[row].cause for row in found.connections} == {found.cause}
            assert found.extra == sum(connections[row].extra for row in found.connections)
        for text in (found.text, found.advice):
            assert text.endswith((".", ".)"))
            assert not re.search(r"  | [,.;:)]|\bfor ,|\bafter ,|\bafter requests", text), text


SECRET = (TLS_SERVER, PROXY)
CLEAR = [name for name, each_story in STORIES.items() if each_story.build()[0].ends["server"].address not in SECRET]


@pytest.mark.parametrize("name", CLEAR)
def test_each_frame_that_is_cited_is_what_its_note_says(name: str) -> None:
    told_of = STORIES[name]
    segments = merged(*told_of.build())
    for found in told_of.report().findings:
        assert found.evidence
        cited = {evidence.note: segments[evidence.frame - 1] for evidence in found.evidence}
        assert not found.extra or any(note.startswith("SYN of") for note in cited)
        for note, segment in cited.items():
            assert NOTES[next(start for start in NOTES if note.startswith(start))](segment), (note, segment)


def test_a_new_tunnel_cites_what_asked_for_it_and_for_the_one_before() -> None:
    found = finding(STORIES["a tunnel for each request"].report(), "proxy-tunnel")
    assert {"CONNECT on #0", "CONNECT on #1"} <= {evidence.note for evidence in found.evidence}


@pytest.mark.parametrize("earlier", [request_head("GET", "http://a.example/"), request_head("CONNECT", "a.example:80")])
def test_the_connect_that_is_cited_is_what_made_the_tunnel(earlier: bytes) -> None:
    """Another request was asked before, or it was refused at first."""

    def begin(number: int, now: int) -> Conversation:
        talk = opened(number, now)
        talk.request(earlier)
        talk.response(response_head("407 Proxy Authentication Required", "Content-Length: 0"))
        talk.request(request_head("CONNECT", "b.example:80"))
        talk.response(response_head("200 Connection established"))
        return talk

    report = diagnosed(in_turn(3, closing("client"), begin=begin))
    (found,) = report.findings
    cited = [evidence for evidence in found.evidence if evidence.note.startswith("CONNECT on ")]
    segments = merged(*in_turn(3, closing("client"), begin=begin))
    assert [evidence.note for evidence in cited] == ["CONNECT on #0", "CONNECT on #1", "CONNECT on #2"]
    for evidence in cited:
        assert segments[evidence.frame - 1].payload.startswith(b"CONNECT b.example:80 ")


def by_client(segment: Segment) -> bool:
    return segment.sender[0] == "10.0.0.1"


NOTES: dict[str, Callable[[Segment], bool]] = {
    "SYN": lambda segment: segment.flags == "S",
    "CONNECT on": lambda segment: by_client(segment) and segment.payload.startswith(b"CONNECT "),
    "request on": lambda segment: by_client(segment) and b" HTTP/1." in segment.payload,
    "the redirect": lambda segment: segment.payload.startswith(b"HTTP/1.1 3"),
    "end of the response": lambda segment: (
        (not by_client(segment) and len(segment.payload) > 0) or "F" in segment.flags
    ),
    "bytes that belong to no response": lambda segment: not by_client(segment) and len(segment.payload) > 0,
    "last that came of the response": lambda segment: not by_client(segment) and bool(segment.payload),
    "a response whose request": lambda segment: not by_client(segment) and segment.payload.startswith(b"HTTP/1.1 "),
    "a response to no request": lambda segment: segment.payload.startswith(b"HTTP/1.1 408"),
    "GOAWAY": lambda segment: segment.payload[3:4] == b"\x07" and not by_client(segment),
    "sent again": lambda segment: by_client(segment) and segment.payload.startswith(b"GET /2"),
    "the server's FIN": lambda segment: not by_client(segment) and "F" in segment.flags,
    "the server's RST": lambda segment: not by_client(segment) and "R" in segment.flags,
    "the client's FIN": lambda segment: by_client(segment) and "F" in segment.flags,
    "the client's RST": lambda segment: by_client(segment) and "R" in segment.flags,
    "both sides' FIN": lambda segment: "F" in segment.flags,
    "the client closes": lambda segment: by_client(segment) and bool({"F", "R"} & set(segment.flags)),
    "#0 is used again": lambda segment: by_client(segment) and b" HTTP/1." in segment.payload,
    "#1 is used again": lambda segment: by_client(segment) and b" HTTP/1." in segment.payload,
}


def test_each_cause_has_a_row_or_is_sighted() -> None:
    assert {rule.cause for rule in RULES} - {UNKNOWN} == set(CAUSES) - SIGHTED
    assert {cause for rule in RULES for cause in rule.also} <= set(CAUSES)


def test_what_else_fits_is_another_cause() -> None:
    for rule in RULES:
        assert rule.cause not in rule.also
        assert len(set(rule.also)) == len(rule.also)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_every_situation_is_decided(ended_so: int, stands: int) -> None:
    place = decide(ended_so, stands)
    assert RULES[place].fits(ended_so, stands)
    assert not any(rule.fits(ended_so, stands) for rule in RULES[:place])


def test_no_row_is_hidden_by_one_above_it() -> None:
    """One that asks for no more, and forbids nothing that this one allows, would take all that is this one's."""
    for place, rule in enumerate(RULES[:NEARLY_CONCURRENT]):
        for above in RULES[:place]:
            asks_no_more = not above.ended & ~rule.ended and not above.stands & ~rule.stands
            forbids_no_more = not above.unless & ~rule.unless and not above.not_stands & ~rule.not_stands
            one_of = not above.either or above.either & rule.ended or (rule.either and not rule.either & ~above.either)
            assert not (asks_no_more and forbids_no_more and one_of), (above, rule)


# -- neighbours, which differ in one fact


class Neighbours(NamedTuple):
    differ: str
    one: Callable[[], Talks]
    cause: str
    other: Callable[[], Talks]
    other_cause: str


def with_host(host: bytes) -> Talks:
    first = ended(exchanges(1))
    second = opened(1, after(first, 0.2))
    second.request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    second.response(ok())
    return [first, second]


def led_to(target: str) -> Talks:
    first = ended(answered(MOVED_TO_SELF))
    second = opened(1, after(first, 0.01))
    second.request(get(target))
    second.response(ok())
    return [first, second]


def going_on(count: int) -> Talks:
    first, second = followed(ended(exchanges(1)))
    for number in range(count):
        moved(first, after(second, 0.2)).exchange(number)
    return [first, second]


def reset_from(hops: int) -> Talks:
    first = cut_off("RST", pause=5)
    first.segments[-1] = first.segments[-1]._replace(ttl=hops)
    return followed(first)


def closed_by_client_with(received: bytes) -> Talks:
    first = opened()
    first.request(get())
    if received:
        first.response(received)
    first.pause(0.03)
    first.close("client")
    return followed(first)


def uploaded(sent: int) -> Talks:
    first = opened()
    first.request(request_head("POST", "/", "Content-Length: 1000") + b"x" * sent)
    first.response(response_head("413 Content Too Large", "Content-Length: 0"))
    first.close("server")
    return followed(first)


def asked_with(request: bytes, response: bytes, closer: Side = "server") -> Talks:
    return followed(ended(closing(closer, before=answered(response, request))))


def turned_to(server: Address) -> Talks:
    """The client closes an idle connection just as it opens the next, to one server or the other."""
    first = ended(exchanges(2))
    second = opened(1, after(first, 0.2), OTHER_SERVER)
    second.exchange()
    moved(first, after(second, 2)).close("client")
    third = opened(2, first.now, server)
    third.exchange()
    return [first, second, third] if server == SERVER else [*followed(first, second, third)]


def refused(times: int) -> Talks:
    first = ended(closing("server", 2))
    return followed(first, *[refusal(1 + number, after(first, 0.1 + number)) for number in range(times)])


def in_tls(script: Script, alpn: str = "http/1.1") -> Talks:
    return followed(ended(script, secured12(alpn=alpn)))


def h2_closed(*last: bytes) -> Talks:
    first = h2_opened()
    for data in last:
        first.say("server", "PA", data)
    first.close("server")
    return [first, h2_opened(1, after(first, 0.2))]


KEPT_OLD = OLD_RESPONSE.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
ERROR = "error-closes"
NEIGHBOURS = [
    Neighbours(
        "the time from the response to the server's FIN",
        lambda: followed(ended(closing("server"))), "server-never-keeps-alive",
        lambda: followed(ended(closing("server", 5))), "server-idle-timeout",
    ),
    Neighbours(
        "FIN or RST of an idle connection",
        lambda: followed(ended(closing("server", 5))), "server-idle-timeout",
        STORIES["an idle connection is reset"].build, "server-reset-idle",
    ),
    Neighbours(
        "who closes first behind the response",
        lambda: followed(ended(closing("client"))), "no-session",
        lambda: followed(ended(closing("server"))), "server-never-keeps-alive",
    ),
    Neighbours(
        "who closes first after the same idle time",
        lambda: in_turn(3, closing("client", 5)), "client-idle-expiry",
        lambda: in_turn(3, closing("server", 5)), "server-idle-timeout",
    ),
    Neighbours(
        "whether the last response says so",
        lambda: in_turn(3, saying_close_behind(3)), "max-requests-announced",
        lambda: in_turn(3, closing("server", before=exchanges(3))), "max-requests-silent",
    ),
    Neighbours(
        "whether the count is the same each time",
        lambda: in_turn(3, saying_close_behind(3)), "max-requests-announced",
        lambda: each(saying_close_behind(2), saying_close_behind(3), saying_close_behind(4)), "response-close-header",
    ),
    Neighbours(
        "one response or three before each close",
        lambda: in_turn(6, saying_close_behind(1)), "server-never-keeps-alive",
        lambda: in_turn(6, saying_close_behind(3)), "max-requests-announced",
    ),
    Neighbours(
        "the version",
        lambda: asked_with(get(), b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), "http10",
        lambda: asked_with(get(), b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        "response-close-header",
    ),
    Neighbours(
        "keep-alive in HTTP/1.0",
        lambda: followed(ended(closing("server", 5, answered(OLD_RESPONSE)))), "http10",
        lambda: followed(ended(closing("server", 5, answered(KEPT_OLD)))), "server-idle-timeout",
    ),
    Neighbours(
        "whether the request asked for it",
        lambda: asked_with(get("/", "Connection: close"), LAST), "request-close-header",
        lambda: asked_with(get(), LAST), "response-close-header",
    ),
    Neighbours(
        "the status of the response that says close",
        lambda: followed(ended(closing("server", before=both(exchanges(1), answered(BAD))))), ERROR,
        lambda: followed(ended(closing("server", before=both(exchanges(1), answered(LAST))))),
        "response-close-header",
    ),
    Neighbours(
        "a length",
        lambda: asked_with(get(), response_head("200 OK") + b"all"), "no-length",
        lambda: asked_with(get(), ok(b"all")), "server-never-keeps-alive",
    ),
    Neighbours(
        "whether the length is kept",
        lambda: asked_with(get(), response_head("200 OK", "Content-Length: 10") + b"all"), "short-body",
        lambda: asked_with(get(), response_head("200 OK", "Content-Length: 3") + b"all"), "server-never-keeps-alive",
    ),
    Neighbours(
        "whether the upload was over",
        lambda: uploaded(500), "early-response",
        lambda: uploaded(1000), "server-never-keeps-alive",
    ),
    Neighbours(
        "what the server is",
        lambda: asked_with(get(), ok(b"", "Connection: close", "Server: gunicorn")), "server-never-keeps-alive",
        lambda: asked_with(get(), ok(b"", "Connection: close", "Server: nginx/1.22.1")), "response-close-header",
    ),
    Neighbours(
        "the challenge",
        lambda: asked_with(get(), NTLM, "client"), "connection-auth",
        lambda: asked_with(get(), NTLM.replace(b"NTLM", b"Basic realm=x"), "client"), "no-session",
    ),
    Neighbours(
        "where the redirect points",
        lambda: led_to("/there"), "redirect",
        lambda: led_to("/elsewhere"), "no-session",
    ),
    Neighbours(
        "the Host",
        lambda: with_host(b"b.example"), "host-spelling",
        lambda: with_host(b"A.Example"), "no-session",
    ),
    Neighbours(
        "whether the open one is used again",
        lambda: going_on(1), "separate-pools",
        lambda: going_on(0), "no-session",
    ),
    Neighbours(
        "the distance that the RST comes from",
        lambda: reset_from(64), "keepalive-race",
        lambda: reset_from(63), "path-dropped",
    ),
    Neighbours(
        "the pause before the request that is reset",
        lambda: followed(cut_off("RST", pause=5)), "keepalive-race",
        lambda: followed(cut_off("RST", pause=351)), "path-dropped",
    ),
    Neighbours(
        "whether a FIN came before the request, after a long pause",
        lambda: followed(closing_before_request(351)), "keepalive-race",
        lambda: followed(cut_off("RST", pause=351)), "path-dropped",
    ),
    Neighbours(
        "whether the request was acknowledged",
        lambda: followed(given_up(2)), "client-timeout",
        lambda: followed(ended(lambda talk: talk.fin("client"), unheard(idle=1))), "path-dropped",
    ),
    Neighbours(
        "how long the client waited",
        lambda: followed(given_up(0.002)), "client-fault",
        lambda: followed(given_up(0.5)), "client-timeout",
    ),
    Neighbours(
        "how much of the response there was: none or a part",
        lambda: closed_by_client_with(b""), "client-timeout",
        lambda: closed_by_client_with(ok(b"1234567890")[:-5]), "body-unread",
    ),
    Neighbours(
        "how much of the response there was: a part or the whole",
        lambda: closed_by_client_with(ok(b"1234567890")[:-5]), "body-unread",
        lambda: closed_by_client_with(ok(b"1234567890")), "no-session",
    ),
    Neighbours(
        "who closes in the middle of a body",
        lambda: followed(cut_off("FIN", began=True)), "short-body",
        lambda: followed(unread("FIN", 0)), "body-unread",
    ),
    Neighbours(
        "whether the client was a balancer",
        lambda: in_turn(3, closing("client", 60, answered(ok(), FORWARDED))), "balancer-idle-timeout",
        lambda: in_turn(3, closing("client", 60, answered(ok(), get()))), "client-idle-expiry",
    ),
    Neighbours(
        "which server the client turned to as it closed",
        lambda: turned_to(("10.0.0.4", 80)), "pool-evicted",
        lambda: turned_to(SERVER), "client-idle-expiry",
    ),
    Neighbours(
        "whether attempts were refused in between",
        lambda: refused(0), "server-idle-timeout",
        lambda: refused(2), "server-restart",
    ),
    Neighbours(
        "an alert before the FIN",
        lambda: in_tls(secrets(1, CLOSE_NOTIFY_12)), "tls-close-notify",
        lambda: in_tls(secrets(1)), "response-close-header",
    ),
    Neighbours(
        "an alert before the FIN of an idle connection",
        lambda: in_tls(secrets(1, CLOSE_NOTIFY_12, 5)), "tls-close-notify",
        lambda: in_tls(secrets(1, b"", 5)), "server-idle-timeout",
    ),
    Neighbours(
        "what was agreed inside of TLS",
        lambda: in_tls(secrets(1), "h2"), "h2-goaway",
        lambda: in_tls(secrets(1), "http/1.1"), "response-close-header",
    ),
    Neighbours(
        "a GOAWAY",
        lambda: h2_closed(h2_goaway(1)), "h2-goaway",
        lambda: asked_with(get(), ok()), "server-never-keeps-alive",
    ),
    Neighbours(
        "whether two of TLS are used in turn",
        STORIES["two tls connections used in turn"].build, "tls-settings-differ",
        STORIES["two tls connections used at once"].build, "separate-pools",
    ),
    Neighbours(
        "bytes behind the body",
        STORIES["bytes behind the end of a body"].build, "excess-bytes",
        STORIES["the client resets behind the whole response"].build, "body-unread",
    ),
    Neighbours(
        "a 408 before the close of an idle connection",
        STORIES["a 408 on an idle connection"].build, "unsolicited-response",
        lambda: followed(ended(closing("server", 5))), "server-idle-timeout",
    ),
    Neighbours(
        "the method",
        lambda: asked_with(request_head("HEAD", "/"), response_head("200 OK", "Content-Length: 0")), "bodiless-quirk",
        lambda: asked_with(get(), response_head("200 OK", "Content-Length: 0")), "server-never-keeps-alive",
    ),
]  # fmt: skip


@pytest.mark.parametrize("pair", NEIGHBOURS, ids=lambda pair: pair.differ)
def test_neighbours_are_told_apart(pair: Neighbours) -> None:
    assert (last_cause(pair.one()), last_cause(pair.other())) == (pair.cause, pair.other_cause)


def last_cause(talks: Talks) -> str | None:
    """Why the last connection was opened."""
    *_, last = diagnosed(talks).details.connections()
    return last.cause


def closing_before_request(pause: float) -> Conversation:
    """The server's FIN is on its way when the client, after a pause, asks again."""
    first = ended(exchanges(1))
    first.pause(pause)
    fin = first.fin("server")
    first.say("client", "PA", get("/late"), ack=fin.seq)
    first.reset("server", "R")
    return first
