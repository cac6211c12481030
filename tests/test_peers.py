"""What clients and servers are known by their names to do."""

from __future__ import annotations

import pytest
from craft import Conversation, get, ok
from examine import saved, written
from talks import answered, captured, opened

from verifier.judge.peers import Peers, peers_of
from verifier.sources import file
from verifier.wire.engine import Engine
from verifier.wire.tables import Ledger

S = 1_000_000_000


def ledger(*talks: Conversation) -> Ledger:
    with saved(written(captured(talks))) as path:
        engine = Engine(1, False)
        file.read(path, engine)
        return engine.finish()


def peers(agent: str, server: str = "x") -> tuple[Peers, Ledger]:
    talk = opened()
    answered(ok(b"ok", f"Server: {server}"), get("/", f"User-Agent: {agent}"))(talk)
    found = ledger(talk)
    return peers_of(found), found


@pytest.mark.parametrize(
    ("agent", "seconds"),
    [
        ("python-httpx/0.28.1", 5),
        ("Python/3.11 aiohttp/3.14.5", 15),
        ("curl/8.5.0", 118),
        ("Go-http-client/1.1", 90),
        ("go-http-client/2.0", 90),
        ("python-requests/2.34.2", None),
        ("Mozilla/5.0", None),
        ("xcurl", None),
    ],
)
def test_how_long_a_client_keeps_an_idle_connection(agent: str, seconds: int | None) -> None:
    known, _ = peers(agent)
    assert list(known.expiries.values()) == ([seconds * S] if seconds else [])


@pytest.mark.parametrize(
    ("server", "never"),
    [
        ("gunicorn", True),
        ("gunicorn/23.0.0", True),
        ("Werkzeug/3.1.3 Python/3.11.2", True),
        ("nginx/1.22.1", False),
        ("uvicorn", False),
        ("not-gunicorn", False),
    ],
)
def test_servers_that_never_keep_a_connection(server: str, never: bool) -> None:
    known, _ = peers("x", server)
    assert bool(known.closers) == never


@pytest.mark.parametrize(
    ("agent", "one_at_a_time"),
    [
        ("python-requests/2.34.2", True),
        ("node", True),
        ("axios/1.7.2", True),
        ("okhttp/4.12.0", True),
        ("wrk", False),
        ("nodeping/2.0", False),
    ],
)
def test_clients_that_do_not_pipeline(agent: str, one_at_a_time: bool) -> None:
    known, _ = peers(agent)
    assert bool(known.one_at_a_time) == one_at_a_time


@pytest.mark.parametrize(
    ("agent", "patient"),
    [("python-requests/2.34.2", True), ("python-urllib3/2.8.0", True), ("python-httpx/0.28.1", False), ("x", False)],
)
def test_clients_that_close_no_idle_connection(agent: str, patient: bool) -> None:
    known, _ = peers(agent)
    assert bool(known.patient) == patient


@pytest.mark.parametrize(("agent", "reads"), [("Go-http-client/1.1", True), ("python-requests/2.34.2", False)])
def test_clients_that_close_behind_what_was_not_read(agent: str, reads: bool) -> None:
    known, _ = peers(agent)
    assert bool(known.readers) == reads


def test_names_are_those_of_the_ledger() -> None:
    known, found = peers("curl/8.5.0", "gunicorn")
    (agent,) = known.expiries
    (server,) = known.closers
    assert (found.words.text(agent), found.words.text(server)) == ("curl/8.5.0", "gunicorn")
    assert known.one_at_a_time == {agent}


def test_nobody_is_known_where_nobody_says_a_name() -> None:
    talk = opened()
    talk.exchange()
    assert not any(peers_of(ledger(talk)))
