"""The same connections captured twice: on both sides of an address translation, or of none, by one clock or by two."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from apart import answering, in_own_network
from craft import START_NS, Address, Conversation, Packet, Segment, merged, packets, pcap
from examine import Totals, examine, saved, totals

from verifier.app import analyze
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

MS = 1_000_000
S = 1_000 * MS
PASSED_NS = 20_000
"""The way through the machine that translates."""
SERVER = ("192.0.2.80", 80)
APART = [-3600 * S, -2 * MS, -300_000, 300_000, 2 * MS, 5 * S, 3600 * S]
"""By how much the clock of the far side is ahead."""


def talk(number: int, client: str = "10.0.0.1", server: Address = SERVER, now: int = START_NS) -> Conversation:
    """One connection, two requests."""
    isns = (0x12345678 + number * 0x1234567, 0x9ABCDEF0 - number * 0x765432)
    one = Conversation((client, 40000 + number), server, isns, now)
    one.handshake()
    one.exchange(1)
    one.exchange(2)
    one.close("client")
    return one


def in_turn(count: int, client: str = "10.0.0.1", first: int = 0, server: Address = SERVER) -> list[Segment]:
    """Connections one after the other: all but one are extra."""
    talks: list[Conversation] = []
    for number in range(first, first + count):
        talks.append(talk(number, client, server, talks[-1].now + S if talks else START_NS + first * S))
    return merged(*talks)


def masqueraded(end: Address) -> Address:
    """All clients have one address."""
    return ("198.51.100.1", end[1] + 7000) if end[0].startswith("10.0.") else end


def published(end: Address) -> Address:
    """One server has another address."""
    return ("172.17.0.2", 8080) if end == SERVER else end


def far(
    near: Sequence[Segment], other: Callable[[Address], Address], ahead_ns: int = 0, hops: int = 1
) -> list[Segment]:
    """The same on the other side, by a clock that is so much ahead."""
    ports = (SERVER[1], 8080)
    return [
        segment._replace(
            sender=other(segment.sender),
            receiver=other(segment.receiver),
            ts_ns=segment.ts_ns + ahead_ns + (-PASSED_NS if segment.sender[1] in ports else PASSED_NS),
            ttl=segment.ttl + (hops if segment.sender[1] in ports else -hops),
        )
        for segment in near
    ]


def by_time(*sides: Sequence[Segment]) -> list[Packet]:
    return packets(sorted((segment for side in sides for segment in side), key=lambda segment: segment.ts_ns))


def codes(report: Report) -> dict[str, int]:
    return {note.code: note.count for note in report.notes}


def reasons(report: Report) -> list[str]:
    return [str(missing.code) for missing in report.inconclusive_because]


@pytest.mark.parametrize("other", [masqueraded, published])
@pytest.mark.parametrize("ahead_ns", APART)
@pytest.mark.parametrize("count", [1, 3])
def test_by_two_clocks_each_connection_counts_once(
    other: Callable[[Address], Address], ahead_ns: int, count: int
) -> None:
    near = in_turn(count)
    captured = by_time(near, far(near, other, ahead_ns))
    report = examine(captured)
    assert totals(report) == Totals(count, count, 2 * count, 2 * count)
    assert codes(report)["address-translated"] == count
    assert (report.verdict, report.totals.extra_handshakes) == ("proved" if count == 1 else "refuted", count - 1)
    assert {pair.client for pair in report.pairs} == {"10.0.0.1"}
    assert {pair.server.ip for pair in report.pairs} == {SERVER[0]}
    assert examine(captured, Expectations(max_handshakes=count)).verdict == "proved"


@pytest.mark.parametrize("ahead_ns", [0, *APART])
def test_clients_behind_one_address_keep_their_own_connections(ahead_ns: int) -> None:
    """On the far side they are one client with an extra connection."""
    near = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    assert examine(by_time(far(near, masqueraded))).verdict == "refuted"
    report = examine(by_time(near, far(near, masqueraded, ahead_ns)))
    assert (report.verdict, totals(report)) == ("proved", Totals(2, 2, 4, 4))


@pytest.mark.parametrize("ahead_ns", [0, *APART])
def test_servers_behind_one_address_are_one_server(ahead_ns: int) -> None:
    """On the far side no connection is extra."""
    near = in_turn(2)
    behind = [
        segment
        for number, port in enumerate((40000, 40001))
        for segment in far(
            [s for s in near if port in (s.sender[1], s.receiver[1])],
            lambda end, number=number: (f"172.17.0.{2 + number}", 8080) if end == SERVER else end,  # type: ignore[misc]
            ahead_ns,
        )
    ]
    assert examine(by_time(behind)).verdict == "proved"
    report = examine(by_time(near, behind))
    assert (report.verdict, totals(report)) == ("refuted", Totals(2, 2, 4, 4))


def test_a_third_place_is_one_more() -> None:
    near = in_turn(2)
    middle = far(near, published, 5 * S)
    report = examine(by_time(near, middle, far(middle, masqueraded, -9 * S)))
    assert totals(report) == Totals(2, 2, 4, 4)
    assert codes(report)["address-translated"] == 4


# Where hop limits don't tell


@pytest.mark.parametrize("ahead_ns", APART)
def test_where_nothing_shows_which_side_is_the_clients_the_verdict_may_hinge_on_it(ahead_ns: int) -> None:
    near = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    report = examine(by_time(near, far(near, masqueraded, ahead_ns, hops=0)))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])
    assert codes(report)["translation-unsure"] == 2
    assert "other side of an address translation" in report.inconclusive_because[0].text
    assert "--client" in report.inconclusive_because[0].mend


@pytest.mark.parametrize("limit", [64, 65, 127, 128, 254, 255])
def test_hop_limits_that_are_set_anew_tell_nothing_false(limit: int) -> None:
    """Home routers do so, to hide that they pass on what others send: the far side would look like the near one."""
    near = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    behind = [
        segment if segment.sender == SERVER else segment._replace(ttl=limit)
        for segment in far(near, masqueraded, 5 * S)
    ]
    assert examine(by_time(near, behind)).verdict == "inconclusive"


def masqueraded_as(ip: str) -> Callable[[Address], Address]:
    return lambda end: (ip, end[1] + 7000) if end[0].startswith("10.0.") else end


@pytest.mark.parametrize("one_ahead_ns", [-50 * S, 50 * S])
@pytest.mark.parametrize("other_ahead_ns", [-50 * S, 50 * S])
def test_it_may_hinge_on_sides_of_two_translations(one_ahead_ns: int, other_ahead_ns: int) -> None:
    """Whichever side of each comes first in the capture: on those of the clients nothing is extra."""
    one = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    other = in_turn(1, "10.0.1.1", 2) + in_turn(1, "10.0.1.9", 3)
    behind_one = far(one, masqueraded_as("198.51.100.1"), one_ahead_ns, hops=0)
    behind_other = far(other, masqueraded_as("198.51.100.2"), other_ahead_ns, hops=0)
    report = examine(by_time(one, behind_one, other, behind_other))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])


@pytest.mark.parametrize("ahead_ns", [(-5 * S, -9 * S), (-5 * S, 5 * S), (5 * S, 9 * S)])
def test_it_may_hinge_on_any_of_three_places(ahead_ns: tuple[int, int]) -> None:
    near = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    one, other = (
        far(near, masqueraded_as(ip), ahead, hops=0)
        for ip, ahead in zip(("198.51.100.1", "198.51.100.2"), ahead_ns, strict=True)
    )
    report = examine(by_time(near, one, other))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])


@pytest.mark.parametrize("other", [masqueraded, published])
@pytest.mark.parametrize("count", [1, 3])
def test_where_it_does_not_hinge_on_it_the_verdict_stands(other: Callable[[Address], Address], count: int) -> None:
    near = in_turn(count)
    report = examine(by_time(near, far(near, other, 5 * S, hops=0)))
    assert report.verdict == ("proved" if count == 1 else "refuted")
    assert codes(report)["translation-unsure"] == count


@pytest.mark.parametrize(
    ("limit", "verdict"), [(1, "refuted"), (2, "inconclusive"), (3, "inconclusive"), (4, "proved")]
)
def test_handshakes_that_may_be_others_break_no_limit(limit: int, verdict: str) -> None:
    near = in_turn(2)
    captured = by_time(near, far(near, masqueraded, 5 * S, hops=0))
    assert examine(captured, Expectations(max_handshakes=limit)).verdict == verdict


def test_one_side_that_is_chosen_counts_alone() -> None:
    near = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    with saved(pcap(by_time(near, far(near, masqueraded, 5 * S, hops=0)))) as path:
        report = analyze([path], Selection(clients=("198.51.100.1",)), Expectations())
        assert (report.verdict, codes(report)) == ("refuted", {})
        report = analyze([path], Selection(clients=("10.0.0.1", "10.0.0.9")), Expectations())
        assert (report.verdict, codes(report)) == ("proved", {})


def test_other_bytes_are_no_sign_of_one_connection() -> None:
    """Hop limits fit, and the two were not told the same."""
    near = in_turn(1) + in_turn(1, "10.0.0.9", 1)
    behind = far(near, masqueraded, 5 * S)
    cut_short = [s._replace(payload=s.payload[:-1]) if s.payload and s.sender == SERVER else s for s in behind]
    report = examine(by_time(near, cut_short))
    assert "address-translated" not in codes(report)
    assert report.verdict == "inconclusive"


# What was seen on the far side alone


@pytest.mark.parametrize("ahead_ns", [0, 2 * MS, -5 * S])
def test_a_connection_seen_behind_the_translation_alone_may_be_of_a_client_before_it(ahead_ns: int) -> None:
    """The near capture began after it."""
    first, second = in_turn(1), in_turn(1, first=1)
    report = examine(by_time(second, far(first + second, published, ahead_ns)))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])
    assert "far side" in report.inconclusive_because[0].text


def test_connections_behind_the_translation_alone_may_be_of_a_client_each() -> None:
    """Three clients with a connection each, of which one was captured before the translation, too."""
    near, others = in_turn(1), in_turn(1, "10.0.0.9", 1) + in_turn(1, "10.0.0.8", 3)
    report = examine(by_time(near, far(near + others, masqueraded, 5 * S)))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])
    assert "far side" in report.inconclusive_because[0].text


def test_what_the_translating_machine_asks_itself_is_its_own() -> None:
    """It passed one router fewer than what others had it pass on."""
    near = in_turn(1)
    own = in_turn(1, "198.51.100.1", 7)
    own = [s._replace(ttl=s.ttl + (s.sender == SERVER)) for s in own]
    report = examine(by_time(near, far(near, masqueraded), own))
    assert (report.verdict, totals(report)) == ("proved", Totals(2, 2, 4, 4))


# Numbers that somebody made up


def test_numbers_of_a_generator_are_no_sign() -> None:
    """One that gives all its connections the same ones, between few addresses or many."""
    for clients in (["10.0.0.1", "10.0.0.1", "10.0.0.2"], [f"10.0.1.{number}" for number in range(20)]):
        talks: list[Conversation] = []
        for number, client in enumerate(clients):
            one = Conversation((client, 40000 + number), SERVER, (1 << 20, 1 << 21), START_NS + number * S)
            one.handshake()
            one.exchange(1)
            one.close("client")
            talks.append(one)
        report = examine(packets(merged(*talks)))
        assert totals(report) == Totals(*[len(clients)] * 4)
        assert codes(report) == {}
        assert report.verdict == ("refuted" if len(set(clients)) < len(clients) else "proved")


# Copies on the same addresses


def test_copies_far_behind_are_no_new_connections() -> None:
    """More connections than are kept whole have closed between the two."""
    some, others = (
        sorted(
            (s for number in numbers for s in talk(number, f"10.0.{number >> 8}.{number & 255}").segments),
            key=lambda segment: segment.ts_ns,
        )
        for numbers in (range(3), range(3, 1100))
    )
    others = [segment._replace(ts_ns=segment.ts_ns + S) for segment in others]
    again = [segment._replace(ts_ns=segment.ts_ns + 3600 * S) for segment in some]
    assert examine(packets(some + others)).verdict == "proved"
    report = examine(packets(some + others + again))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])
    assert report.inconclusive_because[0].text.startswith("3 connections have")


def test_copies_behind_another_connection_with_their_ports_are_none_either() -> None:
    talks = [Conversation(("10.0.0.1", 40000), SERVER, (isn, isn), START_NS + isn) for isn in (1 << 30, 1 << 31)]
    for one in talks:
        one.handshake()
        one.exchange(1)
        one.close("client")
    segments = merged(*talks)
    again = [segment._replace(ts_ns=segment.ts_ns + 3600 * S) for segment in segments]
    report = examine(packets(segments + again), Expectations(max_handshakes=2))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])
    report = examine(packets(segments + again), Expectations(max_handshakes=1))
    assert report.verdict == "refuted"


def test_a_copy_right_behind_breaks_no_limit() -> None:
    one = talk(0)
    again = [segment._replace(ts_ns=segment.ts_ns + 60 * S) for segment in one.segments]
    report = examine(packets(one.segments + again), Expectations(max_handshakes=1))
    assert (report.verdict, reasons(report)) == ("inconclusive", ["seen-twice"])


# Real ones: two networks, and a machine between them that translates

SCENE = """
folder, rules, target, serve = {folder!r}, {rules!r}, {target!r}, {serve!r}

def begun(*command, word):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    processes.append(process)
    while word not in (line := process.stdout.readline()):
        assert line, command
    return process

def machine(number):
    inside = begun("unshare", "--net", "sh", "-c", "echo ready; exec sleep 100", word="ready").pid
    run(f"ip link add there{{number}} type veth peer name here netns {{inside}}")
    run(f"ip addr add 10.0.{{number}}.1/24 dev there{{number}}")
    run(f"ip link set there{{number}} up")
    run(f"nsenter -t {{inside}} -n ip addr add 10.0.{{number}}.2/24 dev here")
    run(f"nsenter -t {{inside}} -n ip link set here up")
    run(f"nsenter -t {{inside}} -n ip route add default via 10.0.{{number}}.1")
    return ["nsenter", "-t", str(inside), "-n"]

CLIENT = '''
import http.client, socket, sys
host, port = sys.argv[1].split(":")
client = http.client.HTTPConnection(host, int(port), timeout=20)
for _ in range(2):
    client.request("GET", "/")
    client.getresponse().read()
client.sock.shutdown(socket.SHUT_WR)
assert client.sock.recv(1) == b""
client.close()
'''
MARK = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'all captured', ('10.0.%d.1', 9))"
processes = []
try:
    machines = [machine(number) for number in (1, 2, 3)]
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    if subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True).returncode:
        sys.exit(print("refused"))
    begun(*machines[2], sys.executable, "-c", serve, word="ready")
    captures = []
    for number, inside in enumerate(machines):
        file = f"{{folder}}/{{number + 1}}.pcap"
        dump = ["tcpdump", "-i", "here", "-U", "--immediate-mode", "-w", "-", "tcp or udp port 9"]
        capture = subprocess.Popen(inside + dump, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(capture)
        while b"listening" not in (line := capture.stderr.readline()):
            assert line
        captures.append(capture)
    for inside in machines[:2]:
        subprocess.run([*inside, sys.executable, "-c", CLIENT, target], check=True, timeout=60)
    for number, (inside, capture) in enumerate(zip(machines, captures), 1):
        subprocess.run([*inside, sys.executable, "-c", MARK % number], check=True, timeout=60)
        seen = b""
        while b"all captured" not in seen:
            seen += capture.stdout.read1(65536)
        with open(f"{{folder}}/{{number}}.pcap", "wb") as file:
            file.write(seen)
finally:
    for process in processes:
        process.kill()
        process.communicate()
"""
RULES = {
    "masquerade": (
        'table ip t { chain out { type nat hook postrouting priority 100; oifname "there3" masquerade; }; }',
        "10.0.3.2:80",
    ),
    "published port": (
        "table ip t { chain in { type nat hook prerouting priority -100; tcp dport 8080 dnat to 10.0.3.2:80; }; }",
        "10.0.1.1:8080",
    ),
}


def shifted(capture: bytes, seconds: int) -> bytes:
    """A capture by a clock that is so much ahead."""
    moved, at = bytearray(capture), 24
    while at < len(moved):
        time, _, size = struct.unpack_from("<III", moved, at)
        struct.pack_into("<I", moved, at, time + seconds)
        at += 16 + size
    return bytes(moved)


@pytest.mark.parametrize("kind", RULES)
def test_two_clients_and_a_server_across_a_machine_that_translates(kind: str, tmp_path: Path) -> None:
    missing = [name for name in ("nft", "tcpdump", "nsenter", "ip") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    rules, target = RULES[kind]
    serve = answering("10.0.3.2", 80)
    if "refused" in in_own_network(SCENE.format(folder=str(tmp_path), rules=rules, target=target, serve=serve)):
        pytest.skip("the kernel here translates no addresses")
    server = (tmp_path / "3.pcap").read_bytes()
    paths = [str(tmp_path / f"{number}.pcap") for number in (1, 2, 3)]
    for seconds in (-600, -1, 0, 1, 600):
        (tmp_path / "3.pcap").write_bytes(shifted(server, seconds))
        report = analyze(paths, Selection(), Expectations())
        assert (report.verdict, totals(report)) == ("proved", Totals(2, 2, 4, 4)), seconds
        assert codes(report)["address-translated"] == 2
        assert examined_alone(paths[2]) == ("refuted" if kind == "masquerade" else "proved")


def examined_alone(path: str) -> str:
    return str(analyze([path], Selection(), Expectations()).verdict)
