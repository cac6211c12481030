from __future__ import annotations

import lzma
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier import wireshark
from verifier.errors import VerifierError
from verifier.spelling import Style
from verifier.wireshark import FILTER, Opening, Surroundings, opening, outcome

REUSED = Path(__file__).parent.parent / "captures" / "reused.pcap"
STYLE = Style(120, color=False, unicode=True)
HERE = Surroundings(display=True, program="/usr/bin/wireshark")


def test_with_a_display_it_is_started() -> None:
    assert opening("/a b.pcap", HERE) == Opening(("wireshark", "-r", "/a b.pcap", "-Y", FILTER), "")


def test_without_a_display_or_a_program_it_is_told() -> None:
    assert opening("/a.pcap", HERE._replace(display=False)).obstacle == "there is no display here"
    assert opening("/a.pcap", Surroundings(display=True, program=None)).obstacle == "Wireshark is not installed here"


def test_an_application_of_macos_is_opened_as_one() -> None:
    how = opening("/a.pcap", Surroundings(display=True, program="/Applications/Wireshark.app"))
    assert how.command[:5] == ("open", "-n", "-a", "/Applications/Wireshark.app", "--args")
    assert how.obstacle == ""


def test_the_told_command_can_be_pasted() -> None:
    how = opening("/a b's.pcap", HERE._replace(display=False))
    lines = outcome(how, how.obstacle, STYLE).splitlines()
    assert lines[0] == "No window: there is no display here. Where there is a display and Wireshark:"
    assert tuple(shlex.split(lines[2])) == how.command
    assert lines[-1].strip() == FILTER


def test_a_window_needs_no_instructions() -> None:
    assert outcome(opening("/a.pcap", HERE), "", STYLE).count("\n") == 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.pcap", "absent.pcap: no such file"),
        (".", ".: this is a folder; name one capture in it"),
        ("pipe", "pipe: no regular file; save what it gives to a file first"),
        ("/dev/zero", "/dev/zero: no regular file; save what it gives to a file first"),
        ("empty.pcap", "empty.pcap: the file is empty; "),
        ("-", "standard input can't be opened in Wireshark; save it to a file first"),
        ("notes.txt", "notes.txt: not a capture (it begins with 73 6f 6d 65 20 6e 6f 74); "),
        ("x y.zip", "x y.zip: a zip archive; unpack it first: unzip 'x y.zip'"),
        ("x y.pcap.xz", "x y.pcap.xz: Wireshark does not unpack .xz; unpack it first: xz -dk 'x y.pcap.xz'"),
    ],
)
def test_what_is_no_capture(name: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pcap").touch()
    (tmp_path / "notes.txt").write_text("some notes, and no more\n" * 10)
    (tmp_path / "x y.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "x y.pcap.xz").write_bytes(lzma.compress(REUSED.read_bytes()))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VerifierError) as raised:
        wireshark.checked(name)
    assert str(raised.value).startswith(problem)


def test_a_name_like_an_option_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x.pcap").write_bytes(REUSED.read_bytes())
    assert wireshark.checked("-x.pcap") == str(tmp_path / "-x.pcap")


def test_what_wireshark_reads_without_our_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that editcap would have to convert for us."""
    (tmp_path / "x.snoop").write_bytes(b"snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert wireshark.checked(str(tmp_path / "x.snoop")) == str(tmp_path / "x.snoop")


def test_surroundings_are_those_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not wireshark.look_around().display
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert wireshark.look_around().display


def test_a_program_that_can_not_start() -> None:
    assert wireshark.start(("/absent/wireshark",)).startswith("/absent/wireshark could not be started: No such file")


def test_a_program_that_fails_at_once_says_why() -> None:
    said = wireshark.start(("sh", "-c", "echo ' ** (wireshark:1) 10:00:00 [GUI] -- could not connect' >&2; exit 1"))
    assert said == "could not connect"
    assert wireshark.start(("sh", "-c", "exit 3")) == "sh ended with status 3"
    assert wireshark.start(("true",)) == ""


def test_a_window_outlives_us(tmp_path: Path) -> None:
    """In a session of its own, without our terminal: closing that does not close the window."""
    fifo = tmp_path / "told"
    os.mkfifo(fifo)
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.append(fifo.read_text()), daemon=True)
    reader.start()
    script = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getsid(0))); time.sleep(5)"
    assert wireshark.start((sys.executable, "-c", script, str(fifo))) == ""
    reader.join(10)
    assert int(told[0]) != os.getsid(0)


# -- the real program

needs_wireshark = pytest.mark.skipif(
    not all(map(shutil.which, ("wireshark", "Xvfb", "xdotool"))),
    reason="wireshark, Xvfb or xdotool is not installed (apt-get install wireshark xvfb xdotool)",
)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """One HTTP exchange on a port that Wireshark knows nothing of."""
    path = tmp_path / "two words.pcap"
    ready = "listening on"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        dump = subprocess.Popen(
            ["tcpdump", "--immediate-mode", "-U", "-Z", "root", "-i", "lo", "-c", "8", "-w", path, f"tcp port {port}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert dump.stderr is not None
        assert ready in dump.stderr.readline()
        with socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            with peer:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                peer.recv(100)
                peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                client.recv(100)
        dump.communicate(timeout=20)
    return path


@pytest.fixture
def display() -> Iterator[str]:
    """An X server that nobody sees."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        name = f":{told.readline().strip()}"
    yield name
    server.terminate()
    server.wait(20)


def test_the_filter_shows_handshakes_requests_and_closes(capture: Path) -> None:
    fields = ["-T", "fields", "-e", "tcp.flags.str", "-e", "http.request.method", "-e", "http.response.code"]
    shown = subprocess.run(
        ["tshark", "-r", capture, "-Y", FILTER, *fields], capture_output=True, text=True, check=True
    ).stdout
    kinds = [line.replace("·", "").strip("\t").split("\t") for line in shown.splitlines()]
    assert kinds[:5] == [["S"], ["AS"], ["A"], ["AP", "GET"], ["AP", "", "204"]]
    assert all(flags[0] in ("AF", "AR", "R") for flags in kinds[5:])


@needs_wireshark
def test_a_real_window(capture: Path, display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    how = opening(wireshark.checked(str(capture)), wireshark.look_around())
    assert how.obstacle == ""
    assert wireshark.start(how.command) == ""
    found = subprocess.run(
        ["xdotool", "search", "--sync", "--onlyvisible", "--name", "two words.pcap"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    subprocess.run(["xdotool", "windowclose", found[0]], timeout=20, check=True)


@needs_wireshark
def test_a_dead_display_is_told(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":9999")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    how = opening(str(capture), wireshark.look_around())
    assert how.obstacle == ""
    assert "could not connect to display :9999" in wireshark.start(how.command)
