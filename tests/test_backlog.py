"""The queue between reading and working: order, limit, and every way out of a wait."""

from __future__ import annotations

import threading

from verifier.sources.backlog import Backlog

PATIENCE_S = 30


def put_in_a_thread(backlog: Backlog, blocks: list[bytes]) -> tuple[threading.Thread, list[bool]]:
    taken: list[bool] = []
    thread = threading.Thread(target=lambda: taken.extend(backlog.put(block) for block in blocks))
    thread.start()
    return thread, taken


def test_blocks_come_out_in_order() -> None:
    backlog = Backlog(1 << 20)
    blocks = [bytes([number]) * number for number in range(1, 200)]
    thread, taken = put_in_a_thread(backlog, blocks)
    found: list[bytes] = []
    while len(found) < len(blocks):
        block = backlog.take()
        if block is None:
            assert backlog.wait()
        else:
            found.append(block)
    thread.join(PATIENCE_S)
    assert found == blocks
    assert taken == [True] * len(blocks)
    assert backlog.take() is None


def test_beyond_the_limit_the_one_who_puts_waits() -> None:
    backlog = Backlog(100)
    thread, taken = put_in_a_thread(backlog, [b"x" * 60, b"y" * 60, b"z" * 300])
    assert backlog.wait()
    assert len(taken) <= 1, "the second would be too much"
    for start in (b"x", b"y", b"z"):
        while (block := backlog.take()) is None:
            assert backlog.wait()
        assert block[:1] == start
    thread.join(PATIENCE_S)
    assert taken == [True] * 3, "a block larger than the limit goes into an empty backlog"


def test_closing_ends_every_wait() -> None:
    backlog = Backlog(10)
    thread, taken = put_in_a_thread(backlog, [b"x" * 10, b"y" * 10])
    assert backlog.wait()
    backlog.close()
    thread.join(PATIENCE_S)
    assert taken in ([True, False], [False, False])
    if taken[0]:
        assert backlog.wait(), "what is there can still be taken"
        assert backlog.take() == b"x" * 10
    assert not backlog.wait()
    assert not backlog.put(b"z")


def test_a_nudge_ends_one_wait() -> None:
    backlog = Backlog(10)
    backlog.nudge()
    assert backlog.wait()
    timer = threading.Timer(0.05, backlog.nudge)
    timer.start()
    assert backlog.wait()
    assert backlog.take() is None
    timer.join(PATIENCE_S)
