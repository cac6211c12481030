"""The benchmark's inputs are what they say, and what it asks of others is understood."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from apart import in_own_network

from verifier.app import analyze
from verifier.judge.options import Expectations, Selection

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench")
sys.path.insert(0, BENCH)

import cycles  # noqa: E402 - a folder of scripts
import peers  # noqa: E402
import run  # noqa: E402
import shapes  # noqa: E402

SOME = 2_000


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("block_bytes", [1_000, shapes.BLOCK_BYTES])
def test_a_shape_is_what_it_says(
    shape: shapes.Shape, block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "BLOCK_BYTES", block_bytes)
    path, truth = shapes.ensure(shape, SOME, tmp_path)
    report = analyze([str(path)], Selection(), Expectations())
    counted = report.totals
    assert (counted.packets, counted.connections, counted.handshakes, counted.requests) == truth
    assert counted.responses == counted.requests
    assert report.notes == ()
    assert shapes.ensure(shape, SOME, tmp_path) == (path, truth)


def test_small_packets_are_small(tmp_path: Path) -> None:
    path, truth = shapes.ensure(shapes.SHAPES[0], SOME, tmp_path)
    assert path.stat().st_size == 24 + truth.packets * (16 + shapes.SMALLEST)


PLAYS = 3


@pytest.mark.parametrize("peer", peers.peers("verify")[1:], ids=lambda peer: peer.name)
def test_what_others_answer(peer: peers.Peer, tmp_path: Path) -> None:
    if peer.missing():
        pytest.skip(f"{peer.name} is absent")
    path, truth = shapes.ensure(shapes.SHAPES[1], 20, tmp_path)
    for _ in range(PLAYS):
        try:
            _cost, answer = run.answered(run.Contest(peer, path, truth.packets))
        except run.Failed:  # pyshark gives up at times on a busy machine
            continue
        break
    else:
        pytest.fail(f"{peer.name} answered nothing, {PLAYS} times")
    known = peers.Answer(*truth)
    assert any(number is not None for number in answer)
    assert all(mine in (None, right) for mine, right in zip(answer, known, strict=True))


def test_the_beginning_of_a_capture(tmp_path: Path) -> None:
    path, _truth = shapes.ensure(shapes.SHAPES[1], 20, tmp_path)
    short = run.beginning(path, 16, tmp_path)
    counted = analyze([str(short)], Selection(), Expectations()).totals
    assert (counted.packets, counted.connections) == (16, 2)


def test_what_a_command_took(tmp_path: Path) -> None:
    """Memory is that of the command, above the floor of the process that starts it."""
    size = 64 << 20
    cost = run.run([sys.executable, "-c", f"x = bytearray({size})"], subprocess.DEVNULL)
    assert cost.memory_mb > size >> 20
    assert 0 < cost.wall_s < 60
    assert run.run([sys.executable, "-c", "pass"], subprocess.DEVNULL).memory_mb < 30


def test_a_command_that_fails(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ended with status 7: no luck"):
        run.run([sys.executable, "-c", "import sys; sys.stderr.write('no luck'); sys.exit(7)"], subprocess.DEVNULL)


def test_a_command_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended with all that it started, and the others are told of."""
    monkeypatch.setattr(run, "LIMIT_S", 0.5)
    with pytest.raises(run.TooLong, match="more than 0 s"):
        run.run([sys.executable, "-c", "import threading; threading.Event().wait(60)"], subprocess.DEVNULL)


def test_a_disk_that_is_full_leaves_inputs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERIFY_BENCH_DIR", str(tmp_path))
    monkeypatch.setattr(run, "SPARE_BYTES", shutil.disk_usage(tmp_path).free - 100_000)
    assert run.affordable(["big", "many-connections", "live"], 1e-6) == ["many-connections", "live"]
    assert capsys.readouterr().out.startswith("left out: big, which needs 1.2 GB in ")
    assert "many-connections, which needs" in (run.affordable(["many-connections"], 1e-3), capsys.readouterr().out)[1]


def test_answers_that_differ_come_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    def result(name: str, answer: peers.Answer, packets: int = 10) -> run.Result:
        peer = peers.Peer(name, lambda path: [path], lambda lines: answer, None, "", "it sees double")
        return run.Result(run.Contest(peer, Path("x"), packets), run.Cost(1, 1, 1), answer)

    ours = result("ours", peers.Answer(10, 3, 3, 4))
    same, part = result("same", peers.Answer(connections=3)), result("part", peers.Answer(connections=1), 5)
    run.differences([ours, same, part, result("other", peers.Answer(10, 6, None, 4))])
    assert capsys.readouterr().out == "other: 6 connections, ours 3: it sees double\n"


def test_a_peer_that_fails_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Though its exit status is that of a verdict of ours."""
    exits = [sys.executable, "-c", "import sys; sys.exit(int(sys.argv[1]))"]
    answer = peers.Answer(10)
    ours = peers.Peer("ours", lambda _path: [*exits, "1"], lambda _lines: answer, None, "", statuses=peers.VERDICTS)
    theirs = peers.Peer("theirs", lambda _path: [*exits, "1"], lambda _lines: answer, None, "")
    results = run.race([run.Contest(peer, Path("x"), 10) for peer in (ours, theirs)], 1)
    assert [result.contest.peer.name for result in results] == ["ours"]
    assert re.match(r"left out: theirs: .* ended with status 1", capsys.readouterr().out)


def test_samples_are_sorted_into_parts() -> None:
    said = """
# Samples: 5K of event 'cpu-clock'
 30 |engine.cpython-311-x86_64-linux-gnu.so |[.] __pyx_f_8verifier_4wire_6engine_6Engine__usual
 10 |[kernel.kallsyms] |[k] _copy_to_iter
 5 |[kernel.kallsyms] |[k] clear_page_erms
 40 |half.cpython-311-x86_64-linux-gnu.so |[.] x
 10 |libpython3.11.so.1.0 |[.] find_internal
 5 |libc.so.6 |[.] memchr
"""
    assert cycles.sorted_out(said.splitlines()) == [
        ("TCP", 0.4),
        ("records and headers", 0.3),
        ("the kernel copies the file", 0.1),
        ("Python itself: objects, start-up, judge and report", 0.1),
        ("the kernel, else: memory, start, end", 0.05),
        ("libc and others", 0.05),
    ]
    assert cycles.sorted_out([]) is None


def test_every_compiled_module_has_a_part() -> None:
    with open(os.path.join(os.path.dirname(BENCH), "..", "pyproject.toml")) as file:
        names = re.findall(r'name = "verifier\.[a-z]+\.(\w+)", sources', file.read())
    assert "engine" in names
    for name in names:
        ((part, _),) = cycles.sorted_out([f"1|{name}.cpython-311-x86_64-linux-gnu.so|[.] __pyx_f"]) or []
        assert part in {"records and headers", "TCP", "HTTP", "tables", "judge"}, name


@pytest.mark.skipif(os.geteuid() != 0, reason="capturing is root's")
def test_no_packet_is_missing_that_tcpdump_wrote() -> None:
    """From tcpdump through a pipe, while connections come as fast as they can."""
    if not all(map(shutil.which, ("tcpdump", "capinfos"))):
        pytest.skip("tcpdump or capinfos is not installed")
    said = in_own_network(
        f"""
        sys.path.insert(0, {BENCH!r})
        import socket, threading
        import pipe
        run("ip link set lo up")
        server = socket.create_server(("127.0.0.1", 0), backlog=1000)
        def serve():
            while True:
                with server.accept()[0] as peer:
                    if not peer.recv(1000):
                        return
                    peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
                    peer.recv(1)
        def load():
            for _ in range(3000):
                with socket.create_connection(server.getsockname()) as client:
                    client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                    client.recv(1000)
        thread = threading.Thread(target=serve)
        thread.start()
        seen = pipe.piped(server.getsockname()[1], load)
        socket.create_connection(server.getsockname()).close()
        thread.join(30)
        server.close()
        totals = seen.report["totals"]
        print(seen.dropped, seen.written == seen.in_file == totals["packets"] >= 30000 - 2)
        print(totals["handshakes"], totals["requests"], totals["responses"])
        """
    )
    assert said.splitlines() == ["0 True", "3000 3000 3000"]


def test_mutants_are_the_same_each_time(tmp_path: Path) -> None:
    source = os.path.join(os.path.dirname(os.path.dirname(BENCH)), "captures")
    made = []
    for folder in ("one", "two"):
        script = os.path.join(os.path.dirname(BENCH), "mutate.py")
        done = subprocess.run(
            [sys.executable, script, source, str(tmp_path / folder), "--number", "30"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.startswith("30 mutants of ")
        made.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert made[0] == made[1]
    assert len(set(made[0].values())) > 25


def test_the_corpus_tool(tmp_path: Path) -> None:
    """Bounds alone: a capture, and what is none; whatever its name."""
    shapes.ensure(shapes.SHAPES[1], 3, tmp_path)
    (tmp_path / os.fsdecode(b"\xe9\x1b[31m.txt")).write_text("no capture")
    script = os.path.join(os.path.dirname(BENCH), "corpus.py")
    done = subprocess.run(
        [sys.executable, script, str(tmp_path), "--alone"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 files: 1 alone, 2 not read" in done.stdout
    assert "\nnot read     $'\\xe9\\x1b[31m.txt': " in done.stdout


def test_a_loop_prints_its_answer(tmp_path: Path) -> None:
    pytest.importorskip("scapy", reason="scapy is not installed")
    path, truth = shapes.ensure(shapes.SHAPES[2], 5, tmp_path)
    script = os.path.join(BENCH, "peers.py")
    done = subprocess.run([sys.executable, script, "scapy", str(path)], capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == peers.Answer(*truth)._asdict()
