"""Both hops of a proxy in one capture: what stands on the second one is the proxy's doing, by whatever name."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from craft import START_NS, Address, Conversation, Side, get, ok
from talks import Talks, after, closing, connections, diagnosed, diagnosis, exchanges, finding, moved, opened

REQUESTS = "User-Agent: python-requests/2.34.2"
PROXY: Address = ("10.0.0.2", 80)
ORIGIN: Address = ("10.0.0.3", 8080)

Ending = Callable[[Conversation], object]


def ending(first: Side, gap: float = 0.0) -> Ending:
    return closing(first, gap, before=lambda _: None)


def reset(talk: Conversation) -> None:
    talk.reset("client")


def forwarded(
    count: int,
    last: Ending,
    request: bytes = get("/a", REQUESTS),
    passed: bytes = get("/a", REQUESTS),
    response: bytes = ok(b"ok", "Server: gunicorn"),
) -> Talks:
    """A client on one connection, behind a proxy that opens one for each request, and ends it so."""
    front = opened(0, server=PROXY)
    talks = [front]
    for number in range(1, count + 1):
        front.request(request)
        back = opened(number, front.now, ORIGIN, PROXY[0])
        back.request(passed)
        back.response(response)
        moved(front, back.now).response(response)
        last(back)
        moved(front, max(front.now, back.now)).pause(2)
        talks.append(back)
    return talks


def test_a_client_that_passes_on_is_not_called_by_the_name_it_passes_on() -> None:
    found = finding(diagnosed(forwarded(3, ending("client"))), "no-session")
    assert (found.confidence, found.blame, found.extra) == ("certain", "client", 2)
    assert found.advice.startswith("The client passes on the requests of others, as a proxy does. In nginx")
    assert "Session" not in found.text + found.advice


def test_the_name_counts_where_nothing_is_passed_on() -> None:
    """The same hop alone: nobody can see that it is one."""
    found = finding(diagnosed(forwarded(3, ending("client"))[1:]), "no-session")
    assert "python-requests/2.34.2" in found.advice


@pytest.mark.parametrize(
    ("request_", "passed"),
    [
        (get("http://10.0.0.3:8080/a", REQUESTS), get("/a", REQUESTS)),
        (get("/api/a?x=1", REQUESTS), get("/a?x=1", REQUESTS)),
        (get("/a", REQUESTS), get("/app/a", REQUESTS)),
    ],
    ids=["to a forward proxy", "behind a prefix", "below a path"],
)
def test_a_target_may_be_changed_on_the_way(request_: bytes, passed: bytes) -> None:
    found = finding(diagnosed(forwarded(3, ending("client"), request_, passed)), "no-session")
    assert "as a proxy does" in found.advice


@pytest.mark.parametrize(
    "passed",
    [get("/b", REQUESTS), b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" + REQUESTS.encode() + b"\r\n\r\n"],
    ids=["another target", "another method"],
)
def test_another_request_is_not_passed_on(passed: bytes) -> None:
    found = finding(diagnosed(forwarded(3, ending("client"), passed=passed)), "no-session")
    assert "python-requests/2.34.2" in found.advice


def test_who_answers_before_it_has_the_answer_did_not_pass_on() -> None:
    talks = forwarded(3, ending("client"))
    for talk in talks[1:]:
        for number, segment in enumerate(talk.segments):
            talk.segments[number] = segment._replace(ts_ns=segment.ts_ns + 1_000_000_000)
    assert "python-requests/2.34.2" in finding(diagnosed(talks), "no-session").advice


def test_what_a_proxy_closes_when_idle() -> None:
    """Although python-requests, which closes no idle connection, is named in the requests."""
    found = finding(diagnosed(forwarded(3, ending("client", 1))), "balancer-idle-timeout")
    assert (found.confidence, found.blame, found.extra) == ("certain", "path", 2)
    assert "nginx: `keepalive_timeout` in the upstream block" in found.advice
    (limit,) = found.measured
    assert (limit.name, round(limit.value, 1)) == ("balancer idle timeout", 1)


def test_a_reset_behind_a_response_that_was_passed_on_whole() -> None:
    """HAProxy ends connections to servers so: it had read all of it, or could not have passed it on."""
    report = diagnosed(forwarded(3, reset))
    assert [found.cause for found in report.findings] == ["no-session"]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", b""])
def test_a_proxy_that_waits_no_longer(answer: bytes) -> None:
    """By its own limit, or since its client has gone."""
    local = "127.0.0.1"
    talks: Talks = []
    now = START_NS
    for number in range(3):
        front = opened(2 * number, now, (local, 80), local)
        front.request(get("/a", REQUESTS))
        back = opened(2 * number + 1, front.now, (local, 8080), local)
        back.request(get("/a", REQUESTS))
        back.pause(0.5)
        moved(front, back.now)
        if answer:
            back.close("client")
            moved(front, back.now).response(answer)
        front.close("client")
        moved(back, max(back.now, front.now))
        if not answer:
            back.close("client")
        talks += [front, back]
        now = after(back, 1)
    found = {one.pair: one for one in diagnosed(talks).findings}
    assert (found[1].cause, found[1].blame, found[1].extra) == ("client-timeout", "client", 2)
    assert "nginx: `proxy_read_timeout`" in found[1].advice
    assert "python-requests" in found[0].advice


def test_users_of_a_proxy_are_not_programs_on_its_machine() -> None:
    talks = forwarded(2, ending("client"))
    for number, agent in enumerate(("curl/7.88.1", "Wget/1.21"), 9):
        front = opened(2 * number, after(talks[0], number), PROXY)
        front.request(get("/a", f"User-Agent: {agent}"))
        back = opened(2 * number + 1, front.now, ORIGIN, PROXY[0])
        back.request(get("/a", f"User-Agent: {agent}"))
        back.response(ok())
        moved(front, back.now).response(ok())
        back.close("client")
        talks += [front, back]
    report = diagnosed(talks)
    assert [(found.cause, found.extra) for found in report.findings if found.pair == 1] == [("no-session", 3)]


def test_hops_on_one_address_are_not_servers_of_one_client() -> None:
    """On loopback the proxy's next connection comes right behind the client's close: that is no pool that is full."""
    local = "127.0.0.1"
    talks: Talks = []
    now = START_NS
    for number in range(4):
        front = opened(2 * number, now, (local, 80), local)
        front.request(get("/a", REQUESTS))
        back = opened(2 * number + 1, front.now, (local, 8080), local)
        back.request(get("/a", REQUESTS))
        back.response(ok())
        moved(front, back.now).response(ok())
        front.close("client")
        moved(back, front.now).close("client")
        talks += [front, back]
        now = after(front, 0.01)
    report = diagnosed(talks)
    assert [(found.cause, found.confidence, found.also) for found in report.findings] == [
        ("no-session", "certain", ())
    ] * 2


# -- the server's side


def never_kept(front_name: str, back_name: str) -> Talks:
    """A proxy that closes each connection to its client, and keeps the one to its server."""
    back = opened(0, server=ORIGIN, client=PROXY[0])
    talks = [back]
    now = START_NS
    for number in range(1, 5):
        front = opened(number, max(now, back.now), PROXY)
        front.request(get("/a"))
        moved(back, front.now).request(get("/a"))
        back.response(ok(b"ok", f"Server: {back_name}"))
        moved(front, back.now).response(ok(b"ok", f"Server: {front_name}", "Connection: close"))
        front.close("server")
        now = after(front, 1)
        talks.append(front)
    return talks


def test_a_server_that_passes_on_may_have_the_name_of_another() -> None:
    found = finding(diagnosed(never_kept("nginx/1.22.1", "nginx/1.22.1")), "server-never-keeps-alive")
    assert "The server passes requests on, and its name, nginx/1.22.1, may be that of the one behind it" in found.advice
    assert "keepalive_timeout" not in found.advice


def test_a_worker_behind_a_proxy_is_not_what_closes() -> None:
    """gunicorn is known for closing: here it is the proxy that does, with gunicorn's name on what it passes on."""
    found = finding(diagnosed(never_kept("gunicorn", "gunicorn")), "server-never-keeps-alive")
    assert found.confidence == "consistent"
    assert "Start gunicorn" not in found.advice


def test_a_name_of_its_own_is_the_proxys() -> None:
    found = finding(diagnosed(never_kept("nginx/1.22.1", "gunicorn")), "server-never-keeps-alive")
    assert "In nginx, look for `keepalive_timeout 0`" in found.advice


def test_a_response_that_says_it_was_passed_on() -> None:
    """Seen before the proxy alone."""

    def script(talk: Conversation) -> None:
        for _ in range(2):
            talk.request(get())
            talk.response(ok(b"ok", "Server: gunicorn", "Via: 1.1 varnish"))
        talk.pause(5)
        talk.close("server")

    talks: Talks = []
    now = START_NS
    for number in range(4):
        talk = opened(number, now)
        script(talk)
        talks.append(talk)
        now = after(talk, 1)
    found = finding(diagnosed(talks), "server-idle-timeout")
    assert "--keep-alive" not in found.advice
    assert "its name, gunicorn, may be that of the one behind it" in found.advice


# -- by chance


def test_two_servers_that_are_asked_the_same_at_the_same_time() -> None:
    """One of ten requests falls into another one's time: the client asks both, and neither passes on."""
    local = "127.0.0.1"
    front, back = opened(0, server=(local, 80), client=local), opened(1, server=(local, 81), client=local)
    moved(back, front.now)
    talks = [front, back]
    for number in range(10):
        front.request(get("/health", REQUESTS))
        if not number:
            moved(back, front.now).exchange()
            back.request(get("/health", REQUESTS))
            back.response(ok())
            moved(front, back.now)
        front.response(ok())
        if number:
            moved(back, front.now)
            exchanges(1)(back)
            back.close("client")
            moved(front, back.now).pause(1)
            back = opened(number + 2, front.now, (local, 81), local)
            talks.append(back)
    report = diagnosed(talks)
    assert all("as a proxy does" not in found.advice for found in report.findings)


@pytest.mark.parametrize("seed", range(3))
def test_in_a_crowd_it_is_known_who_asks_whom(seed: int) -> None:
    """Of forty requests for the same at once, most of the users' are under way while another one of the proxy's is,
    too, that began before and ends behind: the other way round all are."""
    local = "127.0.0.1"
    random = Random(seed)
    talks: Talks = []
    for turn in range(3):
        for number in range(40):
            port = 1000 * turn + 2 * number
            front = opened(port, START_NS + turn * 500_000_000 + number * 1_000_000, (local, 80), local)
            front.request(get("/a", REQUESTS))
            back = opened(port + 1, front.now, (local, 8080), local)
            back.request(get("/a", REQUESTS))
            back.pause(random.uniform(0.005, 0.2))
            back.response(ok())
            moved(front, back.now).response(ok())
            front.close("client")
            moved(back, front.now).close("client")
            talks += [front, back]
    report = diagnosed(talks)
    found = diagnosis(report)
    assert found is not None
    passing = {connection.server.port for connection in connections(report) if found.relays.passes_on(connection.id)}
    assert passing == {8080}
