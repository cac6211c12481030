from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TextIO

import pytest
from reports import inconclusive, proved, refuted

from verifier import __version__
from verifier.arguments import Output
from verifier.cli import Progress, main, status_of
from verifier.judge.model import Missing, Report
from verifier.vocabulary import Reason

PLAIN = Output(json=False, detail="summary", color="auto", exit_zero=False)
ROOT = Path(__file__).parent.parent
CAPTURES = ROOT / "captures"
VERIFY = (sys.executable, "-m", "verifier")


def run(
    *argv: str, stdout: int = subprocess.PIPE, env: dict[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VERIFY, *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        check=False,
    )


def on_a_terminal(*argv: str, env: dict[str, str] | None = None) -> str:
    """What the command prints where standard output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*VERIFY, *argv], stdout=theirs, env={**os.environ, **(env or {})})
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(65536):
                said += piece
        except OSError:  # EIO: how Linux says that the other end is closed
            process.wait(60)
    return said.decode()


# -- answers


def test_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Report of verify, verifier/1"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Proves from packets")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"verify {__version__}\n"


def test_the_module_is_the_command() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"verify {__version__}\n", "")


# -- what goes wrong


def test_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open", "/absent.pcap"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "verify: /absent.pcap: no such file\n"


def test_a_strangers_words_in_an_error_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open", "/\x1b[31m\n.pcap"]) == 2
    assert capsys.readouterr().err == "verify: $'/\\x1b[31m\\x0a.pcap': no such file\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--json --min-reuse 7", "--min-reuse takes a share from 0 to 1, or 0% to 100%, not '7'"),
        ("--json analyze absent.pcap", "absent.pcap: no such file"),
        ("analyze --json --detail exchanges captures/reused.pcap absent.pcap", "absent.pcap: no such file"),
        ("analyze --json --bogus captures/reused.pcap", "analyze has no option --bogus; see verify analyze --help"),
        ("analyze --json", "analyze needs a capture file; name one, or - for standard input"),
        ("demo --json no-sesion", "no cause 'no-sesion' to stage; did you mean no-session?"),
    ],
)
def test_json_leaves_errors_to_standard_error(line: str, said: str) -> None:
    """An object is a report on what was read: where nothing was, there is none, nor the beginning of one."""
    done = run(*line.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"verify: {said}\n")


def test_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        done = run("schema", stdout=full.fileno())
    assert done.returncode == 2
    assert done.stderr == "verify: can't write to standard output: No space left on device\n"


def test_a_reader_that_went_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("schema", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_standard_streams() -> None:
    shell = f"{sys.executable} -m verifier schema >&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "verify: can't write to standard output: it is closed\n")
    shell = f"{sys.executable} -m verifier --each {REUSED} >&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "verify: can't write to standard output: it is closed\n")
    shell = f"{sys.executable} -m verifier - <&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    said = "verify: standard input is closed; pipe a capture into it: tcpdump -i lo -B 65536 -w - | verify analyze -\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    shell = f"{sys.executable} -m verifier bogus 2>&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


# -- saved captures


REUSED = str(CAPTURES / "reused.pcap")
WASTEFUL = str(CAPTURES / "no-session.pcap")


def test_a_report_for_people() -> None:
    done = run("analyze", REUSED)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PROVED" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1] == "Exit status  0, proved"


def test_what_came_through_a_pipe_is_not_read_again() -> None:
    with open(REUSED, "rb") as capture:
        reading, writing = os.pipe()
        os.write(writing, capture.read())
        os.close(writing)
    command = [*VERIFY, "analyze", f"/dev/fd/{reading}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, pass_fds=(reading,), check=False)
    os.close(reading)
    assert "PROVED" in done.stdout
    assert "verify open" not in done.stdout
    assert "--json" not in done.stdout


def test_a_report_for_programs() -> None:
    done = run(WASTEFUL, "--json", "--detail", "exchanges")
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (1, "refuted")
    assert len(report["exchanges"]) == report["totals"]["requests"]


def test_expectations_and_exit_zero_change_the_status() -> None:
    assert run(WASTEFUL, "--exit-zero").returncode == 0
    assert run(WASTEFUL, "--max-extra", "99").returncode == 0
    assert run(REUSED, "--max-handshakes", "0").returncode == 1


def test_a_capture_that_is_not_there() -> None:
    done = run("absent.pcapng")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_a_locale_without_unicode_gets_ascii() -> None:
    done = run("analyze", REUSED, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert " -> " in done.stdout


def test_as_wide_as_the_terminal() -> None:
    done = run("analyze", WASTEFUL, env={"COLUMNS": "80"})
    assert max(len(line) for line in done.stdout.splitlines() if WASTEFUL not in line) <= 80


# -- names of files


ODD = os.fsdecode(b"a \xe9\x1b[31m.pcap")
PASTED = "$'a \\xe9\\x1b[31m.pcap'"


def test_an_odd_name_is_told_as_a_shell_reads_it(tmp_path: Path) -> None:
    """Neither UTF-8 nor harmless: of what is read, skipped, absent, and no capture."""
    (tmp_path / ODD).write_bytes(Path(REUSED).read_bytes())
    (tmp_path / f"{ODD}.txt").write_text("some notes")
    for argv, status in (
        ([ODD], 0),
        (["."], 0),
        (["--each", "."], 0),
        ([f"{ODD}.txt"], 2),
        (["--each", f"{ODD}.txt"], 2),
        (["open", f"{ODD}.txt"], 2),
        (["analyze", f"{ODD}.gz"], 2),
        (["--port", "1", f"{ODD}.gz"], 2),
    ):
        done = run(*argv, cwd=tmp_path)
        assert done.returncode == status, done
        said = done.stdout + done.stderr
        assert "\x1b" not in said
        assert PASTED.removesuffix("'") in said.replace("$'./", "$'"), said


def test_a_name_like_an_option_is_none_in_a_command(tmp_path: Path) -> None:
    (tmp_path / "-x.pcap").write_bytes(Path(REUSED).read_bytes())
    for argv in (["--", "-x.pcap"], ["analyze", "./-x.pcap"]):
        lines = run(*argv, cwd=tmp_path).stdout.splitlines()
        assert "Wireshark    verify open ./-x.pcap" in lines
        assert "As JSON      verify analyze ./-x.pcap --json --detail exchanges" in lines


def test_a_command_that_mends_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "two words.pcap").write_bytes(b"PK\x03\x04")
    done = run("two words.pcap", cwd=tmp_path)
    assert done.stderr == "verify: two words.pcap: a zip archive; unpack it first: unzip 'two words.pcap'\n"


# -- exit status of a report


def interrupted() -> Report:
    missing = Missing(Reason.INTERRUPTED, "interrupted after 1 of 2 requests")
    return inconclusive()._replace(inconclusive_because=(missing,))


@pytest.mark.parametrize(
    ("report", "status", "forgiven"),
    [(proved(), 0, 0), (refuted(), 1, 0), (inconclusive(), 3, 0), (interrupted(), 130, 130)],
)
def test_the_status_is_that_of_the_verdict(report: Report, status: int, forgiven: int) -> None:
    assert status_of(report, PLAIN) == status
    assert status_of(report, PLAIN._replace(exit_zero=True)) == forgiven


# -- colours


def test_colours_on_a_terminal_alone() -> None:
    plain = {"NO_COLOR": "", "TERM": "xterm", "COLUMNS": ""}
    assert "\x1b[" in on_a_terminal("doctor", env=plain)
    assert "\x1b[" not in on_a_terminal("doctor", env={**plain, "NO_COLOR": "1"})
    assert "\x1b[" not in on_a_terminal("doctor", env={**plain, "TERM": "dumb"})
    assert "\x1b[" not in on_a_terminal("doctor", "--color", "never", env=plain)
    assert "\x1b[" not in run("doctor", env=plain).stdout
    assert "\x1b[" in run("doctor", "--color", "always", env={**plain, "NO_COLOR": "1"}).stdout


def test_doctor_tells_by_its_status_whether_capture_works() -> None:
    done = run("doctor")
    assert done.returncode == (2 if "FAIL" in done.stdout else 0)
    assert done.stdout.splitlines()[0].split()[1] == "system"


# -- open


def test_open_without_a_display_tells_the_command(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(Path(REUSED).read_bytes())
    done = run("open", str(path), env={"DISPLAY": "", "WAYLAND_DISPLAY": ""})
    assert done.returncode == 0
    assert f"wireshark -r {path} -Y 'tcp.flags.syn==1" in done.stdout


# -- progress


@contextmanager
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A terminal to write to, and the descriptor that shows what it got."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield stream, ours
    os.close(ours)


def test_progress_is_one_line_drawn_ten_times_a_second_and_wiped() -> None:
    now = 0.0
    with terminal() as (stream, shown):
        with Progress(stream, lambda: now) as progress:
            for step in range(2001):
                now = step / 1000
                progress(step, 2000)
        drawn = ""
        while not drawn.endswith("\r\x1b[K"):  # a terminal hands out what it has got so far
            assert select.select([shown], [], [], 10)[0], drawn
            drawn += os.read(shown, 65536).decode()
    frames = [frame.removesuffix("\x1b[K") for frame in drawn.split("\r")[1:]]
    assert frames[0] == "500 of 2,000 requests  25 %"
    assert frames[-1] == ""
    assert 14 <= len(frames) <= 17
    assert "\n" not in drawn


def test_whoever_waits_for_a_capture_to_be_read_sees_how_far_it_is(tmp_path: Path) -> None:
    """A capture that goes on until the line is there."""
    path = tmp_path / "endless.pcap"
    os.mkfifo(path)
    content = (CAPTURES / "no-session.pcap").read_bytes()
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*VERIFY, "analyze", str(path)], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    said = b""
    give_up = monotonic() + 60
    capture = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # waits for nobody
    left = content
    while b"packets" not in said and monotonic() < give_up:
        if select.select([ours], [capture], [], 1)[0]:
            said += os.read(ours, 65536)
        else:
            with suppress(BlockingIOError):
                left = left[os.write(capture, left) :] or content[24:]
    os.close(capture)
    printed, _ = process.communicate(timeout=60)
    while not said.endswith(b"\r\x1b[K"):
        assert select.select([ours], [], [], 10)[0], said
        said += os.read(ours, 65536)
    os.close(ours)
    first = said.decode().split("\r")[1]
    assert re.fullmatch(r"captures read: 0 of 1, packets: [0-9,]+\x1b\[K", first)
    assert b"Exit status" in printed
    assert b"captures read" not in printed


def test_a_short_run_shows_no_progress() -> None:
    with terminal() as (stream, shown):
        os.set_blocking(shown, False)
        with Progress(stream, lambda: 0.0) as progress:
            progress(1, 2)
        with pytest.raises(BlockingIOError):
            os.read(shown, 1)


def test_no_progress_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    now = 0.0
    with Progress(stream, lambda: now) as progress:
        now = 10.0
        progress(1, 2)
    assert stream.getvalue() == ""
    with Progress(None, lambda: now) as progress:
        progress(1, 2)
