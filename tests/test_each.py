"""Independent captures: `verify analyze --each`, through the command line, with real captures and processes."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest
from craft import START_NS, Conversation, Interface, Packet, Pcapng, pcap
from jsonschema import Draft202012Validator

from verifier.report import schema
from verifier.report.lines import layout, titles
from verifier.spelling import Style

ROOT = Path(__file__).parent.parent
CAPTURES = ROOT / "captures"
VERIFY = (sys.executable, "-m", "verifier")
REUSED = str(CAPTURES / "reused.pcap")
WASTEFUL = str(CAPTURES / "no-session.pcap")
ENCRYPTED = str(CAPTURES / "tls12.pcap")
TIME_LIMIT_S = 60
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": ""}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="one process after the other is told elsewhere")


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VERIFY, "analyze", "--each", *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env={**ENVIRONMENT, **env},
    )


def rows(said: str) -> list[list[str]]:
    """The cells of each line below the titles, up to the summary."""
    lines = said.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def objects(said: str) -> list[Any]:
    return [json.loads(line) for line in said.splitlines()]


def summary(said: str) -> str:
    return said.split("\n\n")[1]


# -- what is told


def test_a_capture_of_usb_with_a_network_behind_it_is_not_passed_over(tmp_path: Path) -> None:
    """It has connections that were not counted: not all is well."""
    talk = Conversation()
    talk.handshake()
    talk.exchange()
    (tmp_path / "a.pcap").write_bytes(pcap(talk.packets()))
    file = Pcapng()
    file.interface(Interface(249))
    for _ in range(20_000):
        file.packet(Packet(b"\x1b\x00" + bytes(60), START_NS, 62, 249))
    (tmp_path / "b.pcapng").write_bytes(file.bytes())
    done = run(str(tmp_path))
    assert (done.returncode, summary(done.stdout)) == (0, "1 file: 1 proved, 0 refuted, 0 inconclusive, 0 not read")
    number = file.interface(Interface())
    for packet in talk.packets():
        file.packet(packet, number)
    (tmp_path / "b.pcapng").write_bytes(file.bytes())
    done = run(str(tmp_path))
    assert done.returncode == 2
    assert "NOT READ" in done.stdout


def test_a_line_for_each_in_the_order_of_the_operands() -> None:
    done = run(WASTEFUL, REUSED, ENCRYPTED)
    assert (done.returncode, done.stderr) == (1, "")
    assert rows(done.stdout) == [
        ["✗ REFUTED", "3", "3", "3", "2", "no Session, or a new one for each request", WASTEFUL],
        ["✓ PROVED", "2", "1", "1", "0", REUSED],
        ["? INCONCLUSIVE", "?", "1", "1", "0", "requests unreadable", ENCRYPTED],
    ]
    assert summary(done.stdout) == "3 files: 1 proved, 1 refuted, 1 inconclusive, 0 not read"
    assert done.stdout.endswith("Exit status  1, refuted\n")


def test_what_asks_for_a_tunnel_is_no_request_of_the_program() -> None:
    path = str(CAPTURES / "causes" / "proxy-tunnel.pcapng")
    assert rows(run(path).stdout) == [["✗ REFUTED", "3", "3", "3", "2", "a new tunnel through a proxy", path]]


def test_each_file_is_told_as_it_is_alone() -> None:
    """All sample captures: the JSON of each is the one that `verify analyze` prints of it."""
    paths = sorted(str(path) for path in CAPTURES.rglob("*.pcap*"))
    done = run("--json", "--detail", "exchanges", *paths)
    assert done.stderr == ""
    together = objects(done.stdout)
    assert [report["sources"][0]["path"] for report in together] == paths
    for path, report in list(zip(paths, together, strict=True))[::9]:
        alone = subprocess.run(
            [*VERIFY, "analyze", "--json", "--detail", "exchanges", path],
            capture_output=True,
            check=False,
            timeout=TIME_LIMIT_S,
            env=ENVIRONMENT,
        )
        assert json.loads(alone.stdout) == report


def test_a_rotated_set_is_not_put_together(tmp_path: Path) -> None:
    talk = Conversation(("10.0.0.1", 40000), now=START_NS)
    talk.handshake()
    talk.exchange(1)
    begun = len(talk.packets())
    talk.exchange(2)
    talk.close("client")
    (tmp_path / "1.pcap").write_bytes(pcap(talk.packets()[:begun]))
    (tmp_path / "2.pcap").write_bytes(pcap(talk.packets()[begun:]))
    done = run("--json", str(tmp_path))
    assert [report["verdict"] for report in objects(done.stdout)] == ["proved", "inconclusive"]
    assert done.returncode == 3


def test_results_larger_than_a_pipe(tmp_path: Path) -> None:
    """Several at once, of some megabytes each: those behind wait for those before them."""
    talks = []
    for number in range(1500):
        talk = Conversation(("10.0.0.1", 20000 + number), now=START_NS + number * 10**7)
        talk.handshake()
        talk.exchange(1)
        talk.close("client")
        talks += talk.packets()
    content = pcap(talks)
    paths = [tmp_path / f"{number}.pcap" for number in range(5)]
    for path in paths:
        path.write_bytes(content)
    done = run("--json", "--detail", "exchanges", *map(str, paths))
    reports = objects(done.stdout)
    assert [report["sources"][0]["path"] for report in reports] == [str(path) for path in paths]
    assert [len(report["exchanges"]) for report in reports] == [1500] * 5
    assert len(done.stdout) > 5 << 20


@pytest.mark.parametrize(
    ("paths", "status"),
    [
        ((REUSED,), 0),
        ((REUSED, ENCRYPTED), 3),
        ((ENCRYPTED, WASTEFUL, REUSED), 1),
        ((WASTEFUL, "absent.pcap", ENCRYPTED), 2),
    ],
)
def test_the_status_is_the_worst(paths: tuple[str, ...], status: int) -> None:
    assert run(*paths).returncode == status
    assert run("--json", *paths).returncode == status
    assert run("--exit-zero", *paths).returncode == (2 if status == 2 else 0)


def test_expectations_and_selections_are_each_files() -> None:
    done = run("--max-handshakes", "0", REUSED, WASTEFUL)
    assert [row[0] for row in rows(done.stdout)] == ["✗ REFUTED"] * 2
    assert rows(done.stdout)[0][-2] == "max-handshakes not met"
    assert run("--client", "192.0.2.77", REUSED).returncode == 3


def test_one_processor_is_enough() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("processors can't be chosen here")
    only = {min(os.sched_getaffinity(0))}
    done = subprocess.run(
        [*VERIFY, "analyze", "--each", WASTEFUL, REUSED],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env=ENVIRONMENT,
        preexec_fn=lambda: os.sched_setaffinity(0, only),
    )
    assert [row[0] for row in rows(done.stdout)] == ["✗ REFUTED", "✓ PROVED"]


def test_standard_input_is_one_of_them() -> None:
    with open(WASTEFUL, "rb") as capture:
        done = subprocess.run(
            [*VERIFY, "--each", REUSED, "-", "-"],
            stdin=capture,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT_S,
            env=ENVIRONMENT,
        )
    assert [row[0] for row in rows(done.stdout)] == ["✓ PROVED", "✗ REFUTED"]
    assert "Skipped      -: given twice" in done.stdout


def test_no_second_opinion() -> None:
    done = run("--cross-check", REUSED)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "--cross-check" in done.stderr


# -- what can't be read


def test_a_file_that_cannot_be_read_is_a_line_and_no_more(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap.gz"
    cut.write_bytes(gzip.compress(Path(REUSED).read_bytes())[:20])
    done = run("absent.pcap", REUSED, str(cut), str(tmp_path / "*.nope"), WASTEFUL)
    assert (done.returncode, done.stderr) == (2, "")
    first, *others = rows(done.stdout)
    assert first == ["! NOT READ", "absent.pcap: no such file"]
    assert [row[0] for row in others] == ["✓ PROVED", "! NOT READ", "! NOT READ", "✗ REFUTED"]
    assert others[1][1].startswith(f"{cut}: ")
    assert others[2][1] == f"{tmp_path}/*.nope: no file has such a name"
    assert summary(done.stdout) == "5 files: 1 proved, 1 refuted, 0 inconclusive, 3 not read"


def test_a_file_that_cannot_be_read_is_an_object_of_the_contract() -> None:
    done = run("--json", "absent.pcap", REUSED)
    absent, reused = objects(done.stdout)
    Draft202012Validator(json.loads(schema.text())).validate(absent)
    assert absent["error"] == {"problem": "absent.pcap: no such file", "mend": None}
    assert absent["verdict"] == "inconclusive"
    assert absent["sources"][0]["path"] == "absent.pcap"
    assert "error" not in reused
    assert (done.returncode, done.stderr) == (2, "")


def test_what_a_folder_has_beside_captures_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing of note, in some length\n")
    (tmp_path / "a.pcap").write_bytes(Path(REUSED).read_bytes())
    done = run(str(tmp_path))
    assert (done.returncode, [row[0] for row in rows(done.stdout)]) == (0, ["✓ PROVED"])
    assert "Skipped      " in done.stdout
    assert "notes.txt: not a capture" in done.stdout
    assert len(objects(run("--json", str(tmp_path)).stdout)) == 1
    (tmp_path / "a.pcap").unlink()
    done = run(str(tmp_path), REUSED)
    assert done.returncode == 2
    assert rows(done.stdout)[0][1].startswith(f"{tmp_path}: its only file, notes.txt, can't be read: not a capture (")
    assert rows(done.stdout)[1][0] == "✓ PROVED"


def test_a_capture_by_its_name_only_is_not_read(tmp_path: Path) -> None:
    """Empty, or overwritten: it is a line as any that can't be read; a link that leads nowhere is none."""
    (tmp_path / "1.pcap").write_bytes(Path(REUSED).read_bytes())
    (tmp_path / "2.pcap").write_bytes(b"")
    (tmp_path / "3.pcap.gz").write_bytes(gzip.compress(b"overwritten with text\n"))
    (tmp_path / "4.pcap").symlink_to("absent")
    (tmp_path / "notes.conf").symlink_to("absent")
    unread = [f"{tmp_path}/2.pcap: the file is empty", f"{tmp_path}/3.pcap.gz: not a capture (", f"{tmp_path}/4.pcap: "]
    for operand in (str(tmp_path), str(tmp_path / "*")):
        done = run(operand)
        assert (done.returncode, done.stderr) == (2, "")
        proved, *others = rows(done.stdout)
        assert proved[0] == "✓ PROVED"
        assert [row[0] for row in others] == ["! NOT READ"] * 3
        assert all(row[1].startswith(said) for row, said in zip(others, unread, strict=True))
        assert summary(done.stdout) == "4 files: 1 proved, 0 refuted, 0 inconclusive, 3 not read"
        assert f"Skipped      {tmp_path}/notes.conf: no such file\n" in done.stdout
        done = run("--json", operand)
        reports = objects(done.stdout)
        assert (done.returncode, done.stderr) == (2, "")
        assert [report["verdict"] for report in reports] == ["proved", *["inconclusive"] * 3]
        problems = [report["error"]["problem"] for report in reports[1:]]
        assert all(problem.startswith(said) for problem, said in zip(problems, unread, strict=True))


def test_what_leads_to_no_regular_file_is_not_read(tmp_path: Path) -> None:
    """Nothing was read, so nothing is proved."""
    os.mkfifo(tmp_path / "pipe")
    done = run(str(tmp_path))
    assert (done.returncode, done.stderr) == (2, "")
    assert rows(done.stdout) == [["! NOT READ", f"{tmp_path}: its only file, pipe, is no regular file"]]
    assert summary(done.stdout) == "1 file: 0 proved, 0 refuted, 0 inconclusive, 1 not read"
    done = run("--json", REUSED, str(tmp_path))
    assert done.returncode == 2
    assert [report["verdict"] for report in objects(done.stdout)] == ["proved", "inconclusive"]
    assert objects(done.stdout)[1]["error"]["problem"] == f"{tmp_path}: its only file, pipe, is no regular file"


def test_the_same_file_by_another_name_was_read() -> None:
    done = run(REUSED, os.path.join(os.path.dirname(REUSED), ".", os.path.basename(REUSED)))
    assert (done.returncode, [row[0] for row in rows(done.stdout)]) == (0, ["✓ PROVED"])


def test_a_strangers_name_is_harmless(tmp_path: Path) -> None:
    odd = tmp_path / "\x1b[31m\n.pcap"
    odd.write_bytes(Path(REUSED).read_bytes())
    done = run(str(odd))
    assert "\x1b" not in done.stdout
    assert rows(done.stdout)[0][-1] == f"$'{tmp_path}/\\x1b[31m\\x0a.pcap'"


# -- processes that end before their time


class Waiting(NamedTuple):
    """`verify`, in the middle of three files: the first was told, the second never ends."""

    process: subprocess.Popen[str]
    pipe: Path
    """The second file."""
    writer: int
    """The end of that which is open here."""
    reader: int
    """The process that waits for it."""

    def end(self) -> tuple[str, str]:
        """What else it says, on standard output and standard error."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said, complained = self.process.stdout.read(), self.process.stderr.read()
        self.process.wait(TIME_LIMIT_S)
        return said, complained


@contextmanager
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    pipe = tmp_path / "endless.pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [*VERIFY, "--each", REUSED, str(pipe), WASTEFUL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    # Opening waits for the other end.
    writer = os.open(pipe, os.O_WRONLY)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("FILE\n")
        assert "PROVED" in process.stdout.readline()
        yield Waiting(process, pipe, writer, reader_of(pipe, process.pid))
    finally:
        os.close(writer)
        process.kill()
        process.communicate(timeout=TIME_LIMIT_S)


def reader_of(pipe: Path, parent: int) -> int:
    """A writer's opening may return a moment before the reader's does."""
    deadline = monotonic() + TIME_LIMIT_S
    while monotonic() < deadline:
        for pid in children(parent):
            if has_open(pid, pipe):
                return pid
        os.sched_yield()
    raise AssertionError(f"no process reads {pipe}")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_open(pid: int, path: Path) -> bool:
    try:
        return any(file.readlink() == path for file in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False


def is_there(pid: int) -> bool:
    """Not gone, and not a zombie that waits to be seen."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


linux = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="children are known from Linux's /proc")


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_interrupted_it_leaves_no_process(tmp_path: Path, number: signal.Signals, whole_group: bool) -> None:
    """Ctrl-C reaches all processes of a terminal; `kill` the one that is named."""
    with waiting(tmp_path) as running:
        process = running.process
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said, complained = running.end()
        assert process.returncode == 128 + number
        assert (said, complained) == ("", "verify: interrupted\n" if number == signal.SIGINT else "")
        assert not is_there(running.reader)


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_no_process_outlives_the_one_it_works_for(tmp_path: Path, number: signal.Signals) -> None:
    """Even where that has no time to end it: the terminal is closed, or memory runs out."""
    with waiting(tmp_path) as running:
        running.process.send_signal(number)
        assert running.process.wait(TIME_LIMIT_S) == -number
        ended = select.poll()
        ended.register(running.writer, 0)  # tells of errors alone: that nobody reads any more
        assert ended.poll(TIME_LIMIT_S * 1000)
        assert running.end() == ("", "")


@linux
def test_a_process_that_is_killed_is_told(tmp_path: Path) -> None:
    with waiting(tmp_path) as running:
        os.kill(running.reader, signal.SIGKILL)
        said, complained = running.end()
        assert (running.process.returncode, complained) == (2, "")
        killed, refuted = said.partition("\n\n")[0].splitlines()
        assert killed == (
            f"  ! NOT READ      {running.pipe}: the process that read it was killed, as the system does where memory"
            f" runs out; read it alone: verify analyze {running.pipe}"
        )
        assert "REFUTED" in refuted


def test_where_the_ends_of_children_are_ignored() -> None:
    """What starts `verify` may have SIGCHLD ignored, which is inherited."""
    done = subprocess.run(
        [*VERIFY, "--each", REUSED, WASTEFUL],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert [row[0] for row in rows(done.stdout)] == ["✓ PROVED", "✗ REFUTED"]


def test_nobody_reads_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*VERIFY, "--each", REUSED, WASTEFUL],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env=ENVIRONMENT,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


# -- how it looks


@pytest.mark.parametrize("columns", [60, 72, 80, 100, 120, 160])
def test_lines_fit_the_terminal(columns: int) -> None:
    done = run(str(CAPTURES), "absent.pcap", COLUMNS=str(columns))
    table = done.stdout.partition("\n\n")[0].splitlines()
    assert max(map(len, table)) <= columns
    titles, *lines = table
    at = titles.index("FILE")
    assert all(len(line) > at and line[at - 1] == " " for line in lines if "NOT READ" not in line and line.strip())


def test_names_are_whole_where_nobody_looks(tmp_path: Path) -> None:
    name = str(tmp_path / f"{'x' * 200}.pcap")
    Path(name).write_bytes(Path(REUSED).read_bytes())
    assert rows(run(name).stdout)[0][-1] == name


def test_colours_do_not_shift_columns() -> None:
    plain = run(WASTEFUL, REUSED, "absent.pcap").stdout
    painted = run("--color", "always", WASTEFUL, REUSED, "absent.pcap").stdout
    assert "\x1b[1;31m" in painted
    for code in ("0", "1", "2", "1;31", "1;32", "1;33"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert painted == plain


def test_without_unicode() -> None:
    done = run(WASTEFUL, "absent.pcap", PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert [row[0] for row in rows(done.stdout)] == ["REFUTED", "NOT READ"]


def test_columns_go_where_there_is_no_room() -> None:
    style = Style(120, color=False, unicode=True)
    assert "CONNECTIONS" in titles(layout(["a.pcap"], style))
    assert "CONNECTIONS" not in titles(layout(["a" * 60], style._replace(width=90)))
    assert "REQUESTS" not in titles(layout(["a" * 60], style._replace(width=80)))
