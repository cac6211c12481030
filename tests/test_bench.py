"""The benchmark's inputs are what they say, and what it asks of others is understood."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.app import analyze
from verifier.judge.options import Expectations, Selection

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench")
sys.path.insert(0, BENCH)

import peers  # noqa: E402 - a folder of scripts
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


@pytest.mark.parametrize("peer", peers.peers("verify")[1:], ids=lambda peer: peer.name)
def test_what_others_answer(peer: peers.Peer, tmp_path: Path) -> None:
    if peer.missing():
        pytest.skip(f"{peer.name} is absent")
    path, truth = shapes.ensure(shapes.SHAPES[1], 20, tmp_path)
    _cost, answer = run.answered(run.Contest(peer, path, truth.packets))
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
    """Bounds alone: a capture, and what is none."""
    shapes.ensure(shapes.SHAPES[1], 3, tmp_path)
    (tmp_path / "notes.txt").write_text("no capture")
    script = os.path.join(os.path.dirname(BENCH), "corpus.py")
    done = subprocess.run(
        [sys.executable, script, str(tmp_path), "--alone"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 files: 1 alone, 2 not read" in done.stdout


def test_a_loop_prints_its_answer(tmp_path: Path) -> None:
    pytest.importorskip("scapy", reason="scapy is not installed")
    path, truth = shapes.ensure(shapes.SHAPES[2], 5, tmp_path)
    script = os.path.join(BENCH, "peers.py")
    done = subprocess.run([sys.executable, script, "scapy", str(path)], capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == peers.Answer(*truth)._asdict()
