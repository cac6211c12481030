"""Saved captures as they are found: absent, barred, something else, cut short, damaged, huge, or coming from a pipe."""

from __future__ import annotations

import fcntl
import gzip
import http.client
import io
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
from craft import START_NS, Conversation, Interface, Packet, Pcapng, merged, packets, pcap, pcapng
from examine import examine_file, reasons, totals

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
TIME_LIMIT_S = 60
CHUNK = 1 << 19
"""What is read at once; records that lie across multiples of it, and of other powers of two, come in pieces."""


def captured(exchanges: int = 2) -> list[Packet]:
    talk = Conversation(now=START_NS)
    talk.handshake()
    for number in range(exchanges):
        talk.exchange(number)
    talk.close("client")
    return talk.packets()


def problem_of(path: str | Path) -> VerifierError:
    """What is said of a file that can't be analysed: one line."""
    with pytest.raises(VerifierError) as raised:
        analyze([os.fspath(path)], Selection(), Expectations())
    assert "\n" not in str(raised.value)
    return raised.value


def problem_of_content(folder: Path, content: bytes) -> str:
    path = folder / "capture.pcap"
    path.write_bytes(content)
    return str(problem_of(path))


# -- what is not there, or not for this user


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert str(problem_of(tmp_path / "absent.pcap")) == f"{tmp_path}/absent.pcap: no such file"


def test_a_folder_without_captures(tmp_path: Path) -> None:
    assert str(tmp_path) in str(problem_of(tmp_path))


@contextmanager
def as_another_user() -> Iterator[None]:
    """Opens files as the user nobody would, for as long as the block runs."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(captured()))
    path.chmod(0o600)
    with as_another_user():
        said = str(problem_of(path))
    assert said.startswith(f"{path}: not readable by this user; ")
    assert f"cat {path}" in said
    assert said.endswith(" | verify analyze -")


def test_one_bad_name_among_several_stops_all(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(captured()))
    with pytest.raises(VerifierError, match="absent"):
        analyze([str(path), str(tmp_path / "absent.pcap")], Selection(), Expectations())


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file whose reading fails: Linux has one")
def test_a_file_whose_reading_fails() -> None:
    assert "/proc/self/mem: cannot be read: " in str(problem_of("/proc/self/mem"))


# -- what is no capture


@pytest.mark.parametrize("name", ["capture.pcap", "/dev/null"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name  # an absolute name stands alone
    if not path.exists():
        path.write_bytes(b"")
    assert "is empty" in str(problem_of(path))


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("capture.pcap", content)
    return file.getvalue()


def tarred(content: bytes, kind: Literal["w", "w:gz", "w:xz"]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=kind) as archive:
        entry = tarfile.TarInfo("capture.pcap")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what", "mend"),
    [
        (tarred(pcap([]), "w"), "a tar archive;", "tar -xf {}"),
        (tarred(pcap([]), "w:gz"), "a tar archive, packed (.gz);", "tar -xf {}"),
        (tarred(pcap([]), "w:xz"), "a tar archive, packed (.xz);", "tar -xf {}"),
        (zipped(pcap([])), "zip", "unzip {}"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(60), "7-Zip", "7z x {}"),
        (b"\x1f\x9d\x90" + bytes(60), "compress", "uncompress {}"),
        (b"\x02\x21\x4c\x18" + bytes(60), "lz4", "lz4 -d {}"),
    ],
    ids=["tar", "tar.gz", "tar.xz", "zip", "7z", "compress", "early lz4"],
)
def test_known_others_name_the_command_that_mends(tmp_path: Path, content: bytes, what: str, mend: str) -> None:
    said = problem_of_content(tmp_path, content)
    assert what in said
    assert mend.format(tmp_path / "capture.pcap") in said


def test_what_is_not_known_is_shown_by_its_first_bytes(tmp_path: Path) -> None:
    said = problem_of_content(tmp_path, b"GIF89a" + bytes(100))
    assert "not a capture" in said
    assert "47 49 46 38 39 61" in said


@pytest.mark.parametrize("size", range(1, 24))
def test_a_header_cut_short(tmp_path: Path, size: int) -> None:
    assert problem_of_content(tmp_path, pcap(captured())[:size])


def test_the_name_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpeg"
    path.write_bytes(pcapng(captured()))
    report = analyze([str(path)], Selection(), Expectations())
    assert (report.verdict, report.sources[0].format) == ("proved", "pcapng")


# -- cut short


def test_a_pcap_cut_at_any_byte_is_read_up_to_there() -> None:
    content = pcap(captured())
    ends = [24]
    for packet in captured():
        ends.append(ends[-1] + 16 + len(packet.data))
    assert ends[-1] == len(content)
    for size in range(ends[-3], len(content)):
        report = examine_file(content[:size])
        whole = max(place for place, end in enumerate(ends) if end <= size)
        (source,) = report.sources
        assert source.packets == whole
        assert source.truncated == (size not in ends), size
        if source.truncated:
            assert f"byte {ends[whole]}" in source.problem
            assert reasons(report) == {"capture-truncated"}
            assert report.verdict == "inconclusive"


def last_block(content: bytes) -> int:
    """Where the last block of a pcapng file begins: each ends in its length."""
    return len(content) - int.from_bytes(content[-4:], "little")


@pytest.mark.parametrize(
    "kind", [4, 5, 10, 0x0BAD, 0x80000001], ids=["names", "statistics", "secrets", "custom", "local"]
)
@pytest.mark.parametrize("size", [16, 600, CHUNK + 100])
def test_a_pcapng_cut_inside_a_block_without_packets(kind: int, size: int) -> None:
    """Packets may have followed that block, so that nothing is proved any more."""
    file = Pcapng()
    file.interface(Interface(1))
    for packet in captured():
        file.packet(packet)
    file.block(kind, bytes(size))
    content = file.bytes()
    begin = last_block(content)
    assert examine_file(content).verdict == "proved"
    assert not examine_file(content[:begin]).sources[0].truncated
    for cut_at in {begin + 4, begin + 8, begin + 12, begin + size // 2, len(content) - 4}:
        report = examine_file(content[:cut_at])
        assert report.sources[0].truncated, cut_at - begin
        assert report.sources[0].problem
        assert report.sources[0].packets == len(captured())
        assert reasons(report) == {"capture-truncated"}
        assert report.verdict == "inconclusive"


def test_a_pcapng_cut_at_any_byte_of_its_last_packet() -> None:
    content = pcapng(captured())
    begin = last_block(content)
    for size in range(begin + 1, len(content)):
        (source,) = examine_file(content[:size]).sources
        assert (source.truncated, source.packets) == (True, len(captured()) - 1), size - begin


# -- records across the borders of what is read at once


def other(size: int) -> Packet:
    """A packet of that many bytes that is not IP (an EtherType for experiments)."""
    data = bytes(12) + b"\x88\xb5" + bytes(size - 14)
    return Packet(data, START_NS, size, 1)


def filled_up_to(place: int) -> list[Packet]:
    """Packets that take a pcap file to that byte, its header included."""
    left = place - 24
    result = []
    while left > 60_000:
        result.append(other(50_000 - 16))
        left -= 50_000
    return [*result, other(left - 16)]


@pytest.mark.parametrize("border", [CHUNK, 2 * CHUNK])
@pytest.mark.parametrize("before", [0, 1, 8, 15, 16, 17, 40, 80])
def test_records_across_a_border(border: int, before: int) -> None:
    """The first record of the conversation begins so many bytes before the border."""
    filling = filled_up_to(border - before)
    assert len(pcap(filling)) == border - before
    report = examine_file(pcap([*filling, *captured()]))
    assert totals(report) == (1, 1, 2, 2)
    assert report.verdict == "proved"
    assert report.sources[0].packets == len(filling) + len(captured())


@pytest.mark.parametrize("before", [0, 10, CHUNK - 100, CHUNK - 24])
@pytest.mark.parametrize("size", [CHUNK - 16, CHUNK, CHUNK + 1, 1_000_000, 1 << 20])
def test_a_record_larger_than_what_is_read_at_once(size: int, before: int) -> None:
    """A jumbo of a megabyte amid the conversation; packets behind it are read as ever."""
    conversation = captured()
    filling = filled_up_to(before + 24 + 200) if before else []
    whole = [*conversation[:5], *filling, other(size), *conversation[5:]]
    for content in (pcap(whole), pcapng(whole), gzip.compress(pcap(whole), 1)):
        report = examine_file(content)
        assert totals(report) == (1, 1, 2, 2)
        assert report.verdict == "proved"
        (source,) = report.sources
        assert (source.packets, source.truncated) == (len(whole), False)
        assert source.bytes == sum(len(packet.data) for packet in whole)


def test_a_record_larger_than_what_is_read_at_once_cut_short() -> None:
    content = pcap([*captured(), other(1 << 20)])
    report = examine_file(content[:-1])
    assert report.sources[0].truncated
    assert report.sources[0].packets == len(captured())
    assert totals(report) == (1, 1, 2, 2)


def test_a_record_that_claims_more_than_any_has() -> None:
    content = pcap(captured()) + struct.pack("<IIII", 0, 0, 1 << 31, 1 << 31) + bytes(100)
    report = examine_file(content)
    assert report.sources[0].truncated
    assert str(1 << 31) in report.sources[0].problem
    assert totals(report) == (1, 1, 2, 2)


# -- damaged gzip


def many() -> list[Packet]:
    """Enough packets that their compressed form has a middle."""
    talks = [Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 10**9) for number in range(300)]
    for talk in talks:
        talk.handshake()
        talk.exchange(talk.ends["client"].address[1])
        talk.close("client")
    return packets(merged(*talks))


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize("size", [2, 3, 5, 10, 11, 14, 20])
def test_a_gzip_cut_before_a_capture_began(tmp_path: Path, size: int) -> None:
    said = problem_of_content(tmp_path, gzip.compress(pcap(captured()))[:size])
    assert "is empty" not in said
    assert "compressed" in said or "ends" in said


@pytest.mark.parametrize("at", [2, 3, 10, 12], ids=["method", "flags", "first block", "its table"])
def test_a_gzip_damaged_at_its_start(tmp_path: Path, at: int) -> None:
    """Where nothing comes out of it the file is said to be damaged, and never empty; what does come out is no proof."""
    path = tmp_path / "capture.pcap.gz"
    path.write_bytes(damaged(gzip.compress(pcap(captured()), mtime=0), at))
    outcome = report_or_problem(path)
    if isinstance(outcome, str):
        assert "is empty" not in outcome
        assert "\n" not in outcome
    else:
        assert outcome.sources[0].truncated
        assert outcome.verdict == "inconclusive"


def report_or_problem(path: Path) -> Report | str:
    try:
        return analyze([str(path)], Selection(), Expectations())
    except VerifierError as error:
        return str(error)


def test_a_gzip_damaged_in_its_middle() -> None:
    whole = many()
    packed = gzip.compress(pcap(whole))
    report = examine_file(damaged(packed, len(packed) // 2))
    (source,) = report.sources
    assert source.truncated
    assert "damaged" in source.problem
    assert 0 < source.packets <= len(whole)
    assert reasons(report) >= {"capture-truncated"}
    assert report.verdict == "inconclusive"


def test_a_gzip_cut_in_its_middle() -> None:
    whole = many()
    packed = gzip.compress(pcap(whole))
    report = examine_file(packed[: len(packed) // 2])
    (source,) = report.sources
    assert source.truncated
    assert 0 < source.packets < len(whole)
    assert source.format == "pcap.gz"
    assert report.verdict == "inconclusive"


@pytest.mark.parametrize("write", [pcap, pcapng], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("lost", [1, 4, 8])
def test_a_gzip_without_all_of_its_trailer(write: Callable[[list[Packet]], bytes], lost: int) -> None:
    trailer_cut(examine_file(gzip.compress(write(captured()))[:-lost]))


def test_a_gzip_with_a_wrong_checksum() -> None:
    packed = gzip.compress(pcap(captured()))
    trailer_cut(examine_file(damaged(packed, len(packed) - 6)))


def trailer_cut(report: Report) -> None:
    """All packets came out, and yet they can't be trusted to be all."""
    (source,) = report.sources
    assert (source.truncated, source.packets) == (True, len(captured()))
    assert totals(report) == (1, 1, 2, 2)
    assert report.verdict == "inconclusive"


def test_zeros_behind_a_gzip_are_padding() -> None:
    """RFC 1952 says nothing of them; tar and tapes add them, and gzip itself ignores them."""
    assert examine_file(gzip.compress(pcap(captured())) + bytes(512)).verdict == "proved"


def test_refuse_behind_a_gzip_is_damage() -> None:
    report = examine_file(gzip.compress(pcap(captured())) + b"refuse")
    assert report.sources[0].truncated
    assert report.verdict == "inconclusive"


# -- standard input

SCRIPT = (
    "import sys\nfrom verifier.app import analyze\nfrom verifier.errors import VerifierError\n"
    "from verifier.judge.options import Expectations, Selection\n"
    "try:\n    report = analyze(['-'], Selection(), Expectations())\n"
    "except VerifierError as error:\n    print(error)\n"
    "else:\n    print(report.verdict, report.totals.requests, report.sources[0].truncated)\n"
)


def said_of_input(stdin: int) -> str:
    """What is said of the capture that comes from this descriptor."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def said_of_pipe(pieces: Sequence[bytes]) -> str:
    """What is said of what comes through a pipe, in pieces that are written one by one."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        for piece in pieces:
            process.stdin.write(piece)
        said, _ = process.communicate(timeout=TIME_LIMIT_S)
    return str(said, "utf-8").strip()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_pipe_that_brings_little_at_a_time(size: int) -> None:
    for content in (pcap(captured()), pcapng(captured()), gzip.compress(pcap(captured()))):
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        assert said_of_pipe(pieces) == "proved 2 False"


def test_a_pipe_that_ends_too_early() -> None:
    assert said_of_pipe([pcap(captured())[:-9]]) == "inconclusive 2 True"


def test_a_pipe_that_brings_nothing() -> None:
    assert said_of_pipe([]).startswith("standard input: nothing came")


def test_a_pipe_that_brings_no_capture() -> None:
    said = said_of_pipe([b"<html>not found</html>\n" * 10])
    assert said.startswith("standard input: not a capture")


def test_a_terminal_is_no_capture() -> None:
    ours, theirs = pty.openpty()
    try:
        assert said_of_input(theirs).startswith("standard input is a terminal")
    finally:
        os.close(ours)
        os.close(theirs)


def test_standard_input_that_is_closed() -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -m verifier analyze - <&-'],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_standard_input_beside_a_file(tmp_path: Path) -> None:
    path = tmp_path / "later.pcap"
    later = Conversation(("10.0.0.1", 40001), now=START_NS + 10**10)
    later.handshake()
    later.exchange()
    path.write_bytes(pcap(later.packets()))
    done = subprocess.run(
        [sys.executable, "-m", "verifier", "analyze", "-", str(path)],
        input=pcap(captured()),
        capture_output=True,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")


class Answering(BaseHTTPRequestHandler):
    """Ten kilobytes for every request, on connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10000")
        self.end_headers()
        self.wfile.write(bytes(10_000))

    def log_request(self, *what: object) -> None:
        """Nothing: a test's output is pytest's."""


def test_an_interrupt_is_for_who_writes_the_pipe() -> None:
    """Ctrl-C at `tcpdump | verify -` reaches both: what is still in the pipe is reported. A second one ends at once."""
    content = pcap(captured())
    for interrupts in (1, 2):
        verify = subprocess.Popen(
            [sys.executable, "-m", "verifier", "analyze", "-", "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert verify.stdin is not None
        assert verify.stdout is not None
        assert verify.stderr is not None
        with verify:
            try:
                verify.stdin.write(content[:-100])
                verify.stdin.flush()
                wait_until_taken(verify.stdin.fileno())
                verify.send_signal(signal.SIGINT)
                assert b"reading what is left" in verify.stderr.readline()
                if interrupts == 2:
                    verify.send_signal(signal.SIGINT)
                    assert verify.wait(TIME_LIMIT_S) == 130
                    assert verify.stderr.read() == b"verify: interrupted\n"
                    continue
                verify.stdin.write(content[-100:])
                verify.stdin.close()
                report = json.loads(verify.stdout.read())
                assert report["totals"]["packets"] == len(captured())
                assert verify.wait(TIME_LIMIT_S) == 0
            finally:
                verify.kill()


def wait_until_taken(pipe: int) -> None:
    """Until the other end has read all that was written."""
    deadline = time.monotonic() + TIME_LIMIT_S
    left = b"\x01"
    while any(left):
        left = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
        assert time.monotonic() < deadline


MARKER = b"/last/"


def ask(port: int, requests: int, target: str = "/") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIME_LIMIT_S)
    for number in range(requests):
        connection.request("GET", f"{target}{number}")
        connection.getresponse().read()
    connection.close()


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed (apt-get install tcpdump)")
@pytest.mark.skipif(os.geteuid() != 0, reason="capturing takes root")
def test_a_pipe_from_tcpdump_under_load(tmp_path: Path) -> None:
    """Every packet that tcpdump wrote is in the report, which comes when the pipe closes."""
    copy = tmp_path / "copy.pcap"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    port = server.server_address[1]
    tcpdump = subprocess.Popen(
        ["tcpdump", "-i", "lo", "-U", "-B", "65536", "-Z", "root", "-w", "-", f"tcp port {port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tcpdump.stdout is not None
    assert tcpdump.stderr is not None
    tee = subprocess.Popen(["tee", copy], stdin=tcpdump.stdout, stdout=subprocess.PIPE)
    assert tee.stdout is not None
    verify = subprocess.Popen(
        [sys.executable, "-m", "verifier", "analyze", "-", "--json"],
        stdin=tee.stdout,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    tcpdump.stdout.close()
    tee.stdout.close()
    with tcpdump, tee, verify:
        assert any("listening on" in line for line in tcpdump.stderr)
        clients = [threading.Thread(target=ask, args=(port, 200)) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(TIME_LIMIT_S)
        # tcpdump ends without what it has not read yet: until the last packets are out, more of them are made.
        deadline = time.monotonic() + TIME_LIMIT_S
        while MARKER not in copy.read_bytes()[-(1 << 20) :]:
            assert time.monotonic() < deadline
            ask(port, 1, MARKER.decode())
        server.shutdown()
        server.server_close()
        tcpdump.send_signal(signal.SIGINT)
        said, _ = verify.communicate(timeout=TIME_LIMIT_S)
        outcome = tcpdump.stderr.read()
    report = json.loads(said)
    kept = analyze([str(copy)], Selection(), Expectations())
    assert report["sources"][0]["packets"] == kept.totals.packets
    assert report["totals"] == kept.totals._asdict()
    assert not report["sources"][0]["truncated"]
    assert f"{kept.totals.packets} packets captured" in outcome
    if "0 packets dropped by kernel" in outcome:
        asked = [exchange for exchange in kept.details.exchanges() if not str(exchange.target).startswith("/last/")]
        assert len({exchange.connection for exchange in asked}) == 8
        assert len(asked) == 1600
