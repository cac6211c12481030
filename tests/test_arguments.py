from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import arguments
from verifier.commands import COMMANDS
from verifier.errors import VerifierError
from verifier.judge.options import Expectations, Selection
from verifier.sources.filter import Keep
from verifier.sources.options import CaptureWish
from verifier.sources.ring import MOST_BYTES

USUAL = CaptureWish(interface=None, path=None, packets=Keep.FULL, buffer_bytes=None)


def read(line: str) -> arguments.Words:
    return arguments.read(line.split())


CHECKS: dict[str, Callable[[arguments.Words], object]] = {
    "demo": arguments.demo,
    "http": arguments.http,
    "analyze": arguments.analyze,
    "open": arguments.only_file,
}


def checked(line: str) -> object:
    words = read(line)
    return CHECKS[words.command.name](words)


def problem(line: str) -> str:
    """What is said of a command line that is wrong; one line."""
    with pytest.raises(VerifierError) as caught:
        checked(line)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- which command


@pytest.mark.parametrize(
    ("line", "command", "operands"),
    [
        ("", "demo", ()),
        ("--json", "demo", ()),
        ("--write x.pcapng", "demo", ()),
        ("demo --json", "demo", ()),
        ("--json demo", "demo", ()),
        ("http localhost:8000", "http", ("localhost:8000",)),
        ("http://x/", "http", ("http://x/",)),
        ("-n 3 http://x/ --json", "http", ("http://x/",)),
        ("--header A:b http://x/", "http", ("http://x/",)),
        ("x.pcapng", "analyze", ("x.pcapng",)),
        ("X.PCAP.GZ", "analyze", ("X.PCAP.GZ",)),
        ("-", "analyze", ("-",)),
        (". --json", "analyze", (".",)),
        ("./absent", "analyze", ("./absent",)),
        ("/absent", "analyze", ("/absent",)),
        ("-- x.cap", "analyze", ("x.cap",)),
        ("analyze demo", "analyze", ("demo",)),
        ("analyze -- -x --json", "analyze", ("-x", "--json")),
        ("open x", "open", ("x",)),
        ("http http://a -n 2 http://b", "http", ("http://a", "http://b")),
    ],
)
def test_the_command_of_a_line(line: str, command: str, operands: tuple[str, ...]) -> None:
    words = read(line)
    assert words.command.name == command
    assert words.operands == operands
    assert words.answer == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dmeo", "no command, URL or capture file: 'dmeo'; did you mean demo?"),
        ("dump", "no command, URL or capture file: 'dump'; see verify --help"),
        (
            "localhost:8000",
            "no command, URL or capture file: 'localhost:8000'; did you mean verify http localhost:8000?",
        ),
        (
            "no-session",
            "no command, URL or capture file: 'no-session'; it is a cause: verify causes no-session explains it,"
            " verify demo no-session stages it",
        ),
        ("--jsn", "demo has no option --jsn; did you mean --json?"),
        ("-n 3", "demo has no option -n; http has: verify http URL... -n N"),
        ("--each", "demo has no option --each; analyze has: verify analyze FILE... --each"),
        ("http --n 3 http://x", "http has no option --n; did you mean -n?"),
        ("x.pcap --bogus", "analyze has no option --bogus; see verify analyze --help"),
        ("http http://x -n", "-n (--requests) needs a value; give it as -n N"),
        ("http http://x --bogus", "http has no option --bogus; see verify http --help"),
        ("http -x", "http has no option -x; see verify http --help"),
        ("schema twice", "schema takes no 'twice'; see verify schema --help"),
        ("schema --json", "schema has no option --json; demo, http, analyze and causes have it"),
        ("demo --json=yes", "--json takes no value"),
        ("demo --write", "--write needs a value; give it as --write FILE"),
        ("demo --write --json", "--write needs a value; give it as --write FILE"),
        ("demo --write=", "--write needs a value; give it as --write FILE"),
        ("demo --write -", "--write -: standard output has the report; give --write the name of a file"),
        ("http", "http needs a URL; give one like http://localhost:8000/"),
        ("analyze", "analyze needs a capture file; name one, or - for standard input"),
        ("open", "open needs a capture file; name one: verify open FILE"),
        ("open a b", "open takes one capture file; see verify open --help"),
    ],
)
def test_a_line_that_is_no_command(line: str, said: str) -> None:
    assert problem(line) == said


@given(
    st.lists(st.sampled_from(["-", "--", "-n", "--json", "--write", "x", "=", "--port=1", "http", "http://x", "-h"]))
)
def test_any_words_are_read_or_refused(argv: list[str]) -> None:
    with suppress(VerifierError):
        arguments.read(argv)


# -- values


def test_demo_as_it_is() -> None:
    assert arguments.demo(read("")) == arguments.Demo(
        USUAL, Expectations(), arguments.Output(json=False, detail="summary", color="auto", exit_zero=False)
    )


def test_capture_options() -> None:
    line = "demo --interface eth0 --write=/tmp/x.pcapng --packets control --buffer-size 64M"
    assert arguments.demo(read(line)).capture == CaptureWish("eth0", "/tmp/x.pcapng", Keep.CONTROL, 64 << 20)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("65536", 65536), ("512K", 512 << 10), ("512k", 512 << 10), ("1G", 1 << 30), ("64MiB", 64 << 20), ("2KB", 2048)],
)
def test_buffer_sizes(text: str, octets: int) -> None:
    assert arguments.demo(read(f"--buffer-size {text}")).capture.buffer_bytes == octets


def test_the_largest_buffer_is_what_a_ring_can_describe() -> None:
    largest = arguments.demo(read("--buffer-size 1048575G")).capture.buffer_bytes
    assert largest is not None
    assert 0 < largest <= MOST_BYTES < 1 << 50
    for size in ("1048576G", "999999999999G", "999999999999M"):
        with pytest.raises(VerifierError) as raised:
            arguments.demo(read(f"--buffer-size {size}"))
        assert str(raised.value) == "--buffer-size takes at most 1048575G; 64M is the usual"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::FFFF:10.0.0.1", "::ffff:10.0.0.1"),
        ("::ffff:a00:1", "::ffff:10.0.0.1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::10.0.0.1", "::10.0.0.1"),
    ],
)
def test_addresses_as_the_report_prints_them(text: str, address: str) -> None:
    selection = arguments.analyze(read(f"x.pcap --host {text} --client {text}")).selection
    assert selection.hosts == selection.clients == (address,)


def test_names_are_no_addresses() -> None:
    assert arguments.analyze(read("x.pcap --host Example.TEST --host 10.0.0")).selection.hosts == (
        "example.test",
        "10.0.0",
    )
    for text in ("localhost", "10.0.0", "1.2.3.4.5", "::g", "bücher.test", "1::2::3"):
        with pytest.raises(VerifierError, match="--client takes an IP address"):
            arguments.analyze(read(f"x.pcap --client {text}"))


def test_expectations() -> None:
    got = arguments.analyze(read("x.pcap --max-extra 9 --max-handshakes 10 --min-reuse 0.95")).expectations
    assert got == Expectations(max_extra=9, max_handshakes=10, min_reuse=0.95)
    assert arguments.analyze(read("x.pcap --min-reuse 95%")).expectations.min_reuse == 0.95
    assert arguments.analyze(read("x.pcap --max-handshakes 0")).expectations.max_handshakes == 0


def test_output_options() -> None:
    got = arguments.analyze(read("x.pcap --json --detail exchanges --color never --exit-zero")).output
    assert got == arguments.Output(json=True, detail="exchanges", color="never", exit_zero=True)


def test_of_an_option_given_twice_the_last_counts() -> None:
    assert arguments.analyze(read("x.pcap --max-extra 1 --max-extra=2")).expectations.max_extra == 2


def test_selection() -> None:
    line = "x.pcap --port 80 --port 443 --host [2001:DB8::0:1] --host API.example --client 010.0.0.1"
    with pytest.raises(VerifierError, match="--client takes an IP address, not '010"):
        arguments.analyze(read(line))
    got = arguments.analyze(read(line.replace("010", "10"))).selection
    assert got == Selection(ports=(80, 443), hosts=("2001:db8::1", "api.example"), clients=("10.0.0.1",))


def test_a_plain_request_plan() -> None:
    plan = arguments.http(read("http://x/")).plan
    assert plan.urls == ("http://x/",)
    assert (plan.per_url, plan.concurrency, plan.session, plan.method) == (2, 1, True, "GET")
    assert (plan.headers, plan.data, plan.timeout, plan.pause) == ((), None, 30.0, 0.0)
    assert (plan.pool_maxsize, plan.stream, plan.verify_tls) == (None, False, True)


def test_a_full_request_plan(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"\x00\xff")
    argv = ["http", "x.test", "https://y.test/a", "-n5", "--concurrency", "3", "--method", "PUT", "--timeout", "1.5"]
    argv += ["--header", "A: b", "--header", "C: d", "--data", f"@{body}", "--pause", "0.25", "--pool-maxsize", "2"]
    plan = arguments.http(arguments.read([*argv, "--stream", "--insecure"])).plan
    assert plan.urls == ("http://x.test", "https://y.test/a")
    assert (plan.per_url, plan.concurrency, plan.session, plan.method) == (5, 3, True, "PUT")
    assert (plan.headers, plan.data, plan.timeout) == ((("A", "b"), ("C", "d")), b"\x00\xff", 1.5)
    assert (plan.pause, plan.pool_maxsize, plan.stream, plan.verify_tls) == (0.25, 2, True, False)


def test_what_is_sent_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"x")
    (tmp_path / "link").symlink_to("body")
    argv = ["http", "http://x/", "--data", f"@{tmp_path}/body", "--write"]
    with pytest.raises(VerifierError, match="--write would replace the file that --data sends"):
        arguments.http(arguments.read([*argv, f"{tmp_path}/link"]))
    assert arguments.http(arguments.read([*argv, f"{tmp_path}/new"])).capture.path == f"{tmp_path}/new"


def test_only_a_body_may_be_empty() -> None:
    assert arguments.http(arguments.read(["http://x/", "--data", ""])).plan.data == b""
    with pytest.raises(VerifierError, match="--write needs a value"):
        arguments.read(["demo", "--write", ""])


def test_a_body_makes_a_post() -> None:
    plan = arguments.http(arguments.read(["http://x/", "--data", "ä=1"])).plan
    assert (plan.method, plan.data) == ("POST", "ä=1".encode())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("demo --detail exchanges", "--detail is for --json; add --json"),
        ("demo --json --detail all", "--detail takes connections or exchanges, not 'all'"),
        ("demo --color red", "--color takes auto, always or never, not 'red'"),
        ("demo --packets some", "--packets takes full, headers or control, not 'some'"),
        ("demo --buffer-size 0", "--buffer-size takes bytes, like 65536, 512K, 64M or 1G, not '0'"),
        ("demo --buffer-size M", "--buffer-size takes bytes, like 65536, 512K, 64M or 1G, not 'M'"),
        ("demo --buffer-size 1T", "--buffer-size takes bytes, like 65536, 512K, 64M or 1G, not '1T'"),
        ("demo --max-extra -1", "--max-extra takes a whole number of 0 or more, not '-1'"),
        ("demo --max-extra 1_0", "--max-extra takes a whole number of 0 or more, not '1_0'"),
        ("demo --max-extra ٣", "--max-extra takes a whole number of 0 or more, not '٣'"),
        ("demo --max-handshakes 1e9", "--max-handshakes takes a whole number of 0 or more, not '1e9'"),
        ("demo --min-reuse 2", "--min-reuse takes a share from 0 to 1, or 0% to 100%, not '2'"),
        ("demo --min-reuse nan", "--min-reuse takes a share from 0 to 1, or 0% to 100%, not 'nan'"),
        ("demo --min-reuse %", "--min-reuse takes a share from 0 to 1, or 0% to 100%, not '%'"),
        ("demo --min-reuse 101%", "--min-reuse takes a share from 0 to 1, or 0% to 100%, not '101%'"),
        ("analyze x --port 0", "--port takes a number from 1 to 65535, not '0'"),
        ("analyze x --port 65536", "--port takes a number from 1 to 65535, not '65536'"),
        ("analyze x --client me", "--client takes an IP address, not 'me'; packets have no names of clients"),
        ("http http://x -n 0", "-n (--requests) takes a whole number of 1 or more, not '0'"),
        ("http http://x --requests -1", "-n (--requests) takes a whole number of 1 or more, not '-1'"),
        ("http http://x --pool-maxsize 0", "--pool-maxsize takes a whole number of 1 or more, not '0'"),
        ("http http://x --method G@T", "not an HTTP method: 'G@T'; give one like GET"),
        ("http http://x --concurrency two", "--concurrency takes a whole number of 1 or more, not 'two'"),
        ("http http://x --timeout 0", "--timeout takes more than 0 seconds, like 0.5 or 30, not '0'"),
        ("http http://x --timeout inf", "--timeout takes seconds, like 0.5 or 30, not 'inf'"),
        ("http http://x --pause -1", "--pause takes seconds, like 0.5 or 30, not '-1'"),
        ("http http://x --pause .", "--pause takes seconds, like 0.5 or 30, not '.'"),
        (
            "http http://x --data @/dev/zero",
            "--data @/dev/zero has more than 256 MiB; each request has all of it: send less",
        ),
        (
            "analyze x --host http://a/",
            "--host takes a name or an IP address alone, not 'http://a/'; like --host example.com --port 8080",
        ),
        (
            "analyze x --host a:80",
            "--host takes a name or an IP address alone, not 'a:80'; like --host example.com --port 8080",
        ),
        ("http http://x --data @/absent", "can't read --data @/absent: No such file or directory"),
        ("http http://x --data @", "can't read --data @: No such file or directory"),
        (
            "http http://x --no-session --pool-maxsize 3",
            "--pool-maxsize is of a Session, and --no-session wants none; leave one of them out",
        ),
    ],
)
def test_bad_values(line: str, said: str) -> None:
    assert problem(line) == said


@pytest.mark.parametrize("line", ["http ftp://x", "http http://", "http http://x --header foo"])
def test_what_the_client_refuses(line: str) -> None:
    assert problem(line).startswith("not a")


# -- help


@pytest.mark.parametrize("line", ["--help", "-h", "--json --help", "help"])
def test_the_overview(line: str) -> None:
    answer = read(line).answer
    assert answer.startswith("Proves from packets")
    assert all(f"\n  {name} " in answer for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_manual_of_a_command(name: str) -> None:
    answer = read(f"{name} --help").answer
    assert answer == read(f"help {name}").answer
    assert answer.startswith(f"usage: verify {name}")
    assert max(map(len, answer.splitlines())) <= 80
    for group in COMMANDS[name].groups:
        for option in group.options:
            assert option.name in answer


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_command_lines(name: str) -> None:
    for line, _ in COMMANDS[name].examples:
        words = arguments.read(line.rpartition("| ")[2].replace("URL", "http://x/").split()[1:])
        assert words.command.name == name


def test_the_version() -> None:
    assert read("--version").answer.startswith("verify ")
    assert read("analyze --version").answer == read("--version").answer
