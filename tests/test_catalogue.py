from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys

import pytest
from readme import README, renewed

from verifier import catalogue, products
from verifier.catalogue import (
    ANY,
    CAUSES,
    OR_IN_CLIENT,
    OTHER,
    PROXY,
    UNKNOWN,
    Cause,
    Speakers,
    remedy,
)
from verifier.cli import main
from verifier.report import schema
from verifier.report.catalogue import explain, overview
from verifier.spelling import Style

EVERY = [*CAUSES.values(), UNKNOWN]
NARROW = Style(80, color=False, unicode=True)
CLIENTS = {
    *("requests", "httpx", "aiohttp", "urllib3", "boto3", "wget", "java", "curl", "go", "node"),
    *("urllib", "ruby", "perl", "tornado", "siege", "hey"),
}


# -- the table


def test_the_codes_are_those_of_the_contract() -> None:
    contract = json.loads(schema.text())["$defs"]["cause"]["enum"]
    assert contract == [UNKNOWN.code, *CAUSES]


@pytest.mark.parametrize("cause", EVERY, ids=lambda cause: cause.code)
def test_a_cause_is_told_in_full(cause: Cause) -> None:
    assert cause.blame in ("client", "server", "path", "nobody")
    assert len(cause.title) <= 44, "it shares a line of 80 columns with code and blame"
    assert 1 <= len(re.findall(r"[.](?: |$)", cause.explanation)) <= 4
    sentences = (cause.explanation, cause.evidence, cause.apart, cause.advice, cause.settle or ".")
    for text in (*sentences, *cause.clients.values(), *cause.servers.values()):
        assert text.isascii()
        assert text.endswith((".", ".)"))
        assert len(text) < 420
    assert "|" not in "".join(sentences), "it would break the table in the README"
    assert not cause.brief.endswith(".")
    assert all(address.startswith("https://") for address in cause.reading)


@pytest.mark.parametrize("cause", EVERY, ids=lambda cause: cause.code)
def test_advice_is_for_kinds_that_are_told_apart(cause: Cause) -> None:
    assert set(cause.clients) <= CLIENTS | {ANY, OTHER, PROXY}
    assert OTHER not in cause.clients or cause.blame == "server"
    assert set(cause.servers) <= {products.server(name).kind for name in SERVERS}


@pytest.mark.parametrize("cause", EVERY, ids=lambda cause: cause.code)
def test_neighbours_are_causes(cause: Cause) -> None:
    named = re.findall(r"(?:^|[.] |and )([a-z0-9]+(?:-[a-z0-9]+)+)(?=:| and| are| is| say)", cause.apart)
    assert set(named) <= set(CAUSES)


def test_what_advice_names_in_python_is_there() -> None:
    import urllib3
    from requests.adapters import HTTPAdapter

    text = " ".join(text for cause in EVERY for text in (cause.advice, *cause.clients.values()))
    for owner, what in ((HTTPAdapter, "HTTPAdapter"), (urllib3.PoolManager, "PoolManager"), (urllib3.Retry, "Retry")):
        known = set(inspect.signature(owner).parameters)
        known |= set(inspect.signature(urllib3.HTTPConnectionPool).parameters) if what == "PoolManager" else set()
        for given in re.findall(rf"\b{what}\(([a-z_]+)=", text):
            assert given in known or given == "socket_options", f"{what}({given}=)"
    assert hasattr(urllib3.HTTPResponse, "drain_conn")
    assert hasattr(urllib3.connection.HTTPConnection, "default_socket_options")


# -- who speaks

SERVERS = {
    "nginx/1.22.1": "nginx",
    "openresty": "nginx",
    "uvicorn": "uvicorn",
    "gunicorn/20.1.0": "gunicorn",
    "Apache/2.4.57 (Debian)": "apache",
    "Werkzeug/3.1.9 Python/3.11.7": "werkzeug",
    "BaseHTTP/0.6 Python/3.11.7": "http.server",
    "SimpleHTTP/0.6 Python/3.11.7": "http.server",
    "WSGIServer/0.2 CPython/3.11.7": "wsgiref",
    "Microsoft-IIS/10.0": "iis",
    "Jetty(9.4.31.v20200723)": "jetty",
    "awselb/2.0": "elb",
    "Python/3.11 aiohttp/3.14.5": "aiohttp",
    "Cheroot/11.1.2": "cheroot",
    "node": "node",
    "CherryPy/18.10.0": "cheroot",
    "TornadoServer/6.6.1": "tornado",
    "TwistedWeb/26.10.0": "twisted",
    "waitress": "waitress",
    "hypercorn-h11": "hypercorn",
    "WEBrick/1.8.1 (Ruby/3.1.2/2022-04-12)": "webrick",
    "h2o/2.2.5": "h2o",
    "cloudflare": None,
    "": None,
}


@pytest.mark.parametrize(("name", "kind"), SERVERS.items())
def test_servers(name: str, kind: str | None) -> None:
    assert products.server(name).kind == kind


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("python-requests/2.34.2", "requests"),
        ("my-crawler/1.0 (+https://example.com) python-requests/2.34.2", "requests"),
        ("python-httpx/0.28.1", "httpx"),
        ("Python/3.11 aiohttp/3.14.5", "aiohttp"),
        ("python-urllib3/2.8.0", "urllib3"),
        ("Boto3/1.34.1 md/Botocore#1.34.1 ua/2.0 os/linux#5.10", "boto3"),
        ("curl/7.88.1", "curl"),
        ("PycURL/7.45.2 libcurl/7.88.1 OpenSSL/3.0.19", "curl"),
        ("Go-http-client/1.1", "go"),
        ("node", "node"),
        ("undici", "node"),
        ("axios/1.7.2", "node"),
        ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "node"),
        ("got (https://github.com/sindresorhus/got)", "node"),
        ("Python-urllib/3.11", "urllib"),
        ("Ruby", "ruby"),
        ("Faraday v1.1.0", "ruby"),
        ("libwww-perl/6.68", "perl"),
        ("HTTP-Tiny/0.082", "perl"),
        ("Mojolicious (Perl)", "perl"),
        ("Tornado/6.6.1", "tornado"),
        ("Mozilla/5.0 (pc-x86_64-linux-gnu) Siege/4.0.7", "siege"),
        ("hey/0.0.1", "hey"),
        ("Mozilla/5.0 (X11; Linux x86_64)", None),
        ("", None),
        (None, None),
    ],
)
def test_clients(agent: str | None, kind: str | None) -> None:
    assert products.client(agent).kind == kind


# -- advice


@pytest.mark.parametrize(
    ("code", "blame", "agent", "server", "said"),
    [
        ("server-idle-timeout", "server", None, "uvicorn", "Start uvicorn with `--timeout-keep-alive SECONDS`"),
        ("server-idle-timeout", "server", None, None, "Raise the server's idle timeout"),
        (
            "server-idle-timeout",
            "server",
            "python-httpx/0.28.1",
            None,
            "\nOr in the client: The client calls itself python-",
        ),
        ("no-session", "client", "python-requests/2.34.2", "nginx", "Make one requests.Session()"),
        ("no-session", "client", "Python/3.11 aiohttp/3.14.5", "nginx", "ClientSession()"),
        ("no-session", "client", None, "nginx", "Make one client object"),
        ("no-session", "client", "lynx/2", None, CAUSES["no-session"].advice),
        ("balancer-idle-timeout", "path", None, "nginx", "In nginx behind the balancer, set `keepalive_timeout`"),
        ("server-idle-timeout", "server", None, "Apache/2.4 (Unix)", "The server calls itself Apache/2.4. In Apache"),
        ("keepalive-race", "server", "curl/8", None, "client: The client calls itself curl/8. Nothing in most cases"),
        ("keepalive-race", "server", None, None, "Or in the client: Have the client drop idle connections sooner"),
        ("pool-full", "client", None, None, "The packets don't say which client this is: `verify causes pool-full`"),
        ("pool-full", "client", "Mozilla/5.0 (X11)", None, "The client calls itself Mozilla/5.0: `verify causes pool-"),
        ("pool-full", "client", "x" * 99, None, f"itself {'x' * 60}: `verify"),
        ("response-close-header", "server", None, "uvicorn", "a proxy before it, and remove it."),
        ("bodiless-quirk", "client", None, None, "Update the client library"),
        ("http10", "client", None, None, "ab -k`)."),
        ("path-dropped", "path", None, "nginx", "has the words for requests, httpx, aiohttp, urllib3 and others."),
        ("odd-code", "nobody", None, None, "Look at the logs"),
    ],
)
def test_remedies(code: str, blame: str, agent: str | None, server: str | None, said: str) -> None:
    assert said in remedy(code, blame, Speakers(agent, server))


def test_each_side_has_a_line_of_its_own() -> None:
    assert remedy("no-length", "server", Speakers("curl/8", None)).count("\n") == 0
    for agent in ("python-httpx/0.28", "lynx", None):
        [there, here] = remedy("server-idle-timeout", "server", Speakers(agent, "uvicorn")).split("\n")
        assert "--timeout-keep-alive" in there
        assert here.startswith(OR_IN_CLIENT)


def test_where_retries_are_advised_it_is_said_that_they_leave_post_out() -> None:
    advised = [text for cause in EVERY for text in cause.clients.values() if "Retry(" in text]
    assert len(advised) >= 4
    for text in advised:
        assert "POST" in text
        assert "allowed_methods=None" in text


def test_whoever_raises_a_limit_of_the_client_stays_below_that_of_the_server() -> None:
    for text in (CAUSES["client-idle-expiry"].advice, *CAUSES["client-idle-expiry"].clients.values()):
        assert re.search("below the server's (idle )?timeout|the server's timeout is the limit", text)


# -- how it is shown


def test_the_list_fits_a_terminal() -> None:
    lines = overview(EVERY, NARROW).splitlines()
    assert max(map(len, lines)) <= 80
    listed = [line.split()[0] for line in lines if line.startswith("  ")][1:]
    blames = [(CAUSES.get(code) or UNKNOWN).blame for code in listed]
    assert sorted(listed) == sorted([*CAUSES, "unknown"])
    assert blames == sorted(blames, key=["client", "server", "path", "nobody"].index)
    assert "Mostly for the client to change" in lines
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("cause", EVERY, ids=lambda cause: cause.code)
def test_a_cause_fits_a_terminal(cause: Cause) -> None:
    drawn = explain(cause, NARROW)
    words_alone = [line for line in drawn.splitlines() if "http" not in line]
    assert max(map(len, words_alone)) <= 80
    assert drawn.startswith(f"{cause.code}: {cause.title}\n")
    assert "\n\n\n" not in drawn


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["causes"]) == 0
    assert "  server-idle-timeout       the server's idle timeout\n" in capsys.readouterr().out
    assert main(["causes", "server-idle-timeout", "--color", "never"]) == 0
    assert "\nIn the server\n  nginx        In nginx, raise `keepalive_timeout`" in capsys.readouterr().out
    assert main(["causes", "unknown"]) == 0


def test_the_command_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["causes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [cause["code"] for cause in found] == [*CAUSES, "unknown"]
    assert main(["causes", "http10", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found == json.loads(json.dumps(CAUSES["http10"]._asdict()))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("no-sesion", "did you mean no-session?"),
        ("pool_full", "did you mean pool-full?"),
        ("Idle", "did you mean server-idle-timeout or server-reset-idle or client-idle-expiry?"),
        ("xyz", "verify causes lists them all"),
        ("CAUSE", "CAUSE stands for one of those that verify causes lists"),
        ("", "verify causes lists them all"),
    ],
)
def test_a_cause_that_there_is_not(code: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["causes", code]) == 2
    assert capsys.readouterr().err == f"verify: no cause {code!r}; {said}\n"


def test_one_cause_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["causes", "http10", "fork"]) == 2
    assert "causes takes one cause" in capsys.readouterr().err


def test_the_readme_has_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == renewed(text), "run: make causes"


def test_it_is_not_loaded_where_there_is_nothing_to_explain() -> None:
    program = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from reports import proved, with_findings\n"
        "from verifier.report.text import render\n"
        "from verifier.spelling import Style\n"
        "import verifier.cli\n"
        "for make in proved, with_findings:\n"
        "    render(make(), Style(80, color=False, unicode=True), 0)\n"
        f"    print({catalogue.__name__!r} in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["False", "True"], done.stderr
