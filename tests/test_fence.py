"""Fences: sent from every CPU, seen by whoever captures, and honest about those that stay away."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from apart import in_own_network

from verifier.sources.fence import Fences, Link, allowed_cpus, frame, sequence_of
from verifier.sources.filter import FENCE_PROTOCOL
from verifier.sources.interface import Interface, find

ETHERNET, RAW = 1, 101
TUN = Interface("tun0", 9, 0xFFFE, up=True, loopback=False, address=b"")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a packet socket is root's")


@pytest.mark.parametrize("link_type", [ETHERNET, RAW])
def test_a_fence_is_known_again(link_type: int) -> None:
    link = Link(find("lo") if link_type == ETHERNET else TUN, link_type, 0xDEADBEEF)
    for sequence in (0, 1, 2**32 - 1):
        data = frame(link, sequence)
        assert sequence_of(data, link) == sequence
        assert sequence_of(data + b"\0" * 100, link) == sequence
        assert sequence_of(data, link._replace(mark=1)) is None
        assert sequence_of(data[: len(data) - 40], link) is None
    assert sequence_of(b"", link) is None


def test_on_ethernet_it_goes_to_the_interface_itself() -> None:
    link = Link(TUN._replace(address=b"\x02\0\0\0\0\x07"), ETHERNET, 1)
    data = frame(link, 5)
    assert data[:6] == data[6:12] == b"\x02\0\0\0\0\x07"
    assert data[12:14] == b"\x88\xb5"
    assert len(data) == 60


def test_raw_ip_links_do_not_take_it_for_ip() -> None:
    assert frame(Link(TUN, RAW, 1), 0)[0] >> 4 not in (4, 6)


@contextmanager
def watching(fences: Fences) -> Iterator[list[bytes]]:
    """Reads fences on loopback in a thread and reports them; gives the list of those seen."""
    seen: list[bytes] = []
    stop, stopped = socket.socketpair()
    with stop, stopped, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as capture:
        capture.bind(("lo", FENCE_PROTOCOL))

        def read() -> None:
            while True:
                ready, _, _ = select.select([capture, stopped], [], [])
                if stopped in ready:
                    return
                data, address = capture.recvfrom(100)
                if address[2] != socket.PACKET_OUTGOING:
                    seen.append(data)
                    fences.arrived(data)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield seen
        finally:
            stop.send(b"x")
            thread.join(10)
            assert not thread.is_alive()


@needs_root
def test_every_cpu_sends_one() -> None:
    link = Link(find("lo"), ETHERNET, 0x1234)
    fences = Fences(link)
    before = os.sched_getaffinity(0)
    with watching(fences) as seen:
        for _ in range(20):
            assert fences.passed(5)
    numbers = [sequence_of(data, link) for data in seen if sequence_of(data, link) is not None]
    assert len(numbers) == len(set(numbers)) >= 20 * len(allowed_cpus())
    assert os.sched_getaffinity(0) == before


@needs_root
def test_a_narrow_mask_is_left_and_restored() -> None:
    fences = Fences(Link(find("lo"), ETHERNET, 0x1234))
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        assert allowed_cpus() >= whole
        with watching(fences) as seen:
            assert fences.passed(5)
        assert len(seen) >= len(whole)
        assert os.sched_getaffinity(0) == {min(whole)}
    finally:
        os.sched_setaffinity(0, whole)


@needs_root
def test_unseen_fences_end_at_the_deadline() -> None:
    began = time.monotonic()
    assert not Fences(Link(find("lo"), ETHERNET, 1)).passed(0.6)
    assert 0.5 < time.monotonic() - began < 5


@needs_root
def test_waiting_ends_when_nobody_reads_any_more() -> None:
    fences = Fences(Link(find("lo"), ETHERNET, 1))
    began = time.monotonic()
    timer = threading.Timer(0.1, fences.abandon)
    timer.start()
    assert not fences.passed(60)
    assert time.monotonic() - began < 30
    assert not fences.passed(60)
    timer.join()


def test_no_fence_passes_on_an_interface_that_is_down_or_gone() -> None:
    said = in_own_network(
        """
        from verifier.sources.fence import Fences, Link
        from verifier.sources.interface import find
        lo = find("lo")
        print(Fences(Link(lo, 1, 1)).passed(60))
        print(Fences(Link(lo._replace(name="gone"), 1, 1)).passed(60))
        """
    )
    assert said.split() == ["False", "False"]
