"""A live capture that can prove itself whole.

`LiveCapture` puts the parts together: scapy's socket with a kernel filter and a packet ring (ring.py), a saved file
(writer.py), and fences (fence.py) that show the capture open before the first request and drained after the last. The
filter begins with no port at all, so that nothing but fences is captured, and is widened to a server's port before the
client connects.

Three threads: the caller's; the reading one, which does nothing but empty the ring into a backlog (backlog.py); and the
working one, which takes blocks from there and gives the packets of each to the file and to the sink, in the same order.
All that the sink keeps is touched by the working thread alone until `drain` returns; a condition that the caller waits
for is evaluated there, too. A fence counts as seen when the working thread is done with its block: then all before it
is with the sink.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from time import time_ns
from types import TracebackType
from typing import final

from verifier import __version__
from verifier.errors import VerifierError
from verifier.sources import interface as interfaces
from verifier.sources import rights
from verifier.sources.backlog import Backlog
from verifier.sources.facts import LiveFacts, Source
from verifier.sources.fence import Fences, Link
from verifier.sources.filter import (
    FENCE_PROTOCOL,
    SNAPLEN,
    Keep,
    Wanted,
    describe,
    program,
)
from verifier.sources.frames import Frames
from verifier.sources.ring import PacketRing, link_type_of
from verifier.sources.writer import CaptureWriter, Origin, Statistics
from verifier.values import NamedTuple

Sink = Callable[[Frames], None]
"""Takes the packets of a block of the ring, which it finds at their beginning: Engine.read does."""

FULL_BUFFER_BYTES = 64 << 20
"""Where payload is captured. While nobody reads, it lasts 1.8 s at 94,000 packets of small exchanges a second, and
45 ms of a 1.4 GB/s download (measured with nginx and wrk)."""
HEADER_BUFFER_BYTES = 16 << 20
BACKLOG_BYTES = 128 << 20
"""What may wait for the file and the sink: 3.5 s of those small packets."""

OPEN_DEADLINE_S = 5.0
DRAIN_DEADLINE_S = 30.0
"""Ring and backlog, both full, hold 510,000 packets of small exchanges (310 bytes each, and 82 of the ring): with the
engine uncompiled, at 30,000 a second, 17 s."""
CLOSE_DEADLINE_S = 0.5
"""Somebody pressed Ctrl-C."""
STOP_DEADLINE_S = 30.0
"""How long the threads may take for what is left when they are told to stop."""


class CaptureOptions(NamedTuple):
    interface: str
    path: str | None
    """Where the capture is saved; None for nowhere."""
    packets: Keep = Keep.FULL
    ports: frozenset[int] | None = frozenset()
    """Server ports captured from the beginning; None for every TCP port."""
    buffer_bytes: int | None = None
    """Size of the kernel's buffer; None for the usual."""


@final
class LiveCapture:
    """A capture on one interface: `open`, then any number of `allow` and `wait_until`, then `drain`. A context
    manager: it opens, and closes the file whatever happens."""

    def __init__(self, options: CaptureOptions, sink: Sink) -> None:
        self._options = options
        self._sink = sink
        self._ring: PacketRing | None = None
        self._writer: CaptureWriter | None = None
        # A buffer asked for is meant as a whole: a small one is to overflow.
        self._backlog = Backlog(options.buffer_bytes or BACKLOG_BYTES)
        self._reader = threading.Thread(target=self._run, args=(self._read,), name="verify-reader", daemon=True)
        self._worker = threading.Thread(target=self._run, args=(self._work,), name="verify-worker", daemon=True)
        self._ports = options.ports
        self._ports_lock = threading.Lock()
        self._changed = threading.Condition()
        self._watch: _Watch | None = None
        self._stopping = False
        self._ended = False
        self._failure: BaseException | None = None
        self._problem = ""
        self._opened = False
        self._outcome: tuple[Source, LiveFacts] | None = None
        self._packets = 0
        self._bytes = 0
        self._first_ns: int | None = None
        self._last_ns: int | None = None

    def open(self) -> None:
        """Starts the capture and shows it open. Does nothing where it is open already.

        VerifierError where this user may not capture, for an interface that is unknown, down, or of a kind that
        can't be read, and for a file that can't be opened. Fences that stay away are no error: they show in
        LiveFacts.
        """
        if self._ring is not None:
            return
        options = self._options
        interface = interfaces.find(options.interface)
        link = Link(interface, link_type_of(interface), int.from_bytes(os.urandom(4), "big"))
        # Before scapy is loaded, which takes its time.
        rights.require()
        self._link = link
        usual = FULL_BUFFER_BYTES if options.packets is Keep.FULL else HEADER_BUFFER_BYTES
        try:
            self._ring = PacketRing(interface, options.buffer_bytes or usual, self._program(options.ports))
        except OSError as error:
            raise VerifierError(
                f"can't capture on {interface.name}: {error.strerror}", "`verify doctor` tells what is missing"
            ) from error
        self._fences = Fences(link)
        self._started_ns = time_ns()
        try:
            if options.path is not None:
                self._writer = CaptureWriter(options.path, self._origin(interface.name))
            self._reader.start()
            self._worker.start()
            self._opened = self._fences.passed(OPEN_DEADLINE_S)
        except BaseException:
            self.close()
            raise

    def allow(self, port: int) -> None:
        """Captures this server port, too, from now on: what is sent after this returns is captured. From any thread;
        without effect once drained."""
        with self._ports_lock:
            if self._ring is None or self._ended or self._ports is None or port in self._ports:
                return
            self._ports |= {port}
            try:
                self._ring.attach(self._program(self._ports))
            except OSError as error:
                if error.errno not in (errno.ENOMEM, errno.ENOBUFS):
                    raise
                # Programs are paid from a small account of the socket (net.core.optmem_max). Everything passes, then,
                # rather than too little.
                self._ring.detach()
                self._ports = None

    def wait_until(self, condition: Callable[[], bool], deadline_s: float) -> bool:
        """Waits until `condition`, evaluated in the working thread whenever packets came, holds. False where it does
        not within `deadline_s` seconds, or the capture ended first. What it raises is raised here. For one thread at a
        time."""
        watch = _Watch(condition)
        with self._changed:
            if self._ring is None or self._ended:
                return condition()
            self._watch = watch
            self._backlog.nudge()
            self._changed.wait_for(lambda: watch.done or self._ended, deadline_s)
            self._watch = None
        if watch.failure is not None:
            raise watch.failure
        return watch.done

    def drain(self) -> tuple[Source, LiveFacts]:
        """Shows that all sent so far was captured, and ends the capture. A second call gives the same again.

        VerifierError where one of the threads failed: what was counted by then stands for nothing.
        """
        if self._ring is None:
            raise VerifierError("the capture was never opened")
        if self._outcome is None:
            # Where no fence came back at the start, none is likely to now.
            self._outcome = self._finish(self._fences.passed(DRAIN_DEADLINE_S if self._opened else OPEN_DEADLINE_S))
        if self._failure is not None:
            raise VerifierError(f"capturing on {self._options.interface} failed: {self._failure!r}") from self._failure
        return self._outcome

    def close(self) -> None:
        """Ends the capture and its file, without much patience. For every way out that does not `drain`."""
        if self._ring is not None and self._outcome is None:
            self._outcome = self._finish(self._worker.is_alive() and self._fences.passed(CLOSE_DEADLINE_S))

    def __enter__(self) -> LiveCapture:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _program(self, ports: frozenset[int] | None) -> bytes:
        link = self._link
        return program(
            Wanted(link.link_type, self._options.packets, ports, link.mark, outgoing=not link.interface.loopback)
        )

    def _origin(self, interface: str) -> Origin:
        system = os.uname()
        return Origin(
            program=f"verify {__version__}",
            system=f"{system.sysname} {system.release}",
            hardware=system.machine,
            interface=interface,
            link_type=self._link.link_type,
            snaplen=SNAPLEN,
            filter=describe(self._options.packets),
        )

    def _run(self, task: Callable[[], None]) -> None:
        """The whole life of a thread."""
        try:
            task()
        except BaseException as failure:  # noqa: BLE001 - whatever ends a thread is what `drain` reports
            self._failure = failure
        finally:
            # The reader's end lets the worker finish what is left; the worker's end stops the reader.
            self._backlog.close()

    def _read(self) -> None:
        """Empties the ring into the backlog, until told to stop."""
        ring = self._ring
        assert ring is not None
        # Once told to stop, at most what the ring held then is read: a flood must not keep us here.
        left = ring.blocks
        while left > 0:
            block = ring.read()
            if block is not None:
                if not self._backlog.put(block):
                    return
            elif self._stopping:
                return
            else:
                fault = ring.wait()
                if fault is not None:
                    self._problem = f"{self._options.interface}: {fault.strerror} during the capture"
            if self._stopping:
                left -= 1

    def _work(self) -> None:
        """Takes blocks from the backlog until it is closed and empty."""
        link = self._link
        frames = Frames(link.link_type, link.interface.loopback, FENCE_PROTOCOL)
        try:
            more = True
            while more:
                block = self._backlog.take()
                if block is not None:
                    frames.take(block)
                    self._take(frames)
                else:
                    if self._writer is not None:
                        self._writer.flush()
                    more = self._backlog.wait()
                # Once: `wait_until` may give up, and take it away, at any time.
                watch = self._watch
                if watch is not None:
                    self._look(watch)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._fences.abandon()

    def _take(self, frames: Frames) -> None:
        """One block of the ring, to the file and to the sink."""
        if frames.packets:
            if self._writer is not None:
                self._writer.frames(frames)
            self._sink(frames)
            if self._first_ns is None:
                self._first_ns = frames.first_ns
            self._last_ns = frames.last_ns
            self._packets += frames.packets
            self._bytes += frames.bytes
        # Last, because whoever waits for a fence counts on all that came before it.
        for fence in frames.markers:
            self._fences.arrived(fence)

    def _look(self, watch: _Watch) -> None:
        if watch.done or watch.failure is not None:
            return
        try:
            met = watch.condition()
        except BaseException as failure:  # noqa: BLE001 - raised again where it belongs: in the thread that waits
            watch.failure = failure
            met = True
        if met:
            with self._changed:
                watch.done = True
                self._changed.notify_all()

    def _finish(self, drained: bool) -> tuple[Source, LiveFacts]:
        ring, writer, options = self._ring, self._writer, self._options
        assert ring is not None
        self._stopping = True
        ring.wake()
        for thread in (self._reader, self._worker):
            if thread.ident is not None:
                thread.join(STOP_DEADLINE_S)
        dropped = ring.dropped()
        if self._reader.is_alive() or self._worker.is_alive():
            # The sink does not return. The ring and the file stay as they are: the threads have them in hand.
            self._failure = TimeoutError(f"packets were still waiting after {STOP_DEADLINE_S:.0f} s")
        else:
            if writer is not None:
                writer.close(self._statistics(dropped))
            with self._ports_lock:
                ring.close()
        problem = writer.problem if writer is not None else ""
        source = Source(
            name=options.interface,
            live=True,
            format="pcapng",
            packets=self._packets,
            bytes=self._bytes,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            truncated=False,
            dropped=dropped,
            problem=self._problem,
        )
        return source, LiveFacts(
            opened=self._opened,
            drained=drained and not self._problem and self._failure is None,
            control_only=options.packets is Keep.CONTROL,
            saved_as=None if problem else options.path,
            save_problem=problem,
        )

    def _statistics(self, dropped: int) -> Statistics:
        ports = "all" if self._ports is None else ", ".join(map(str, sorted(self._ports)))
        return Statistics(
            started_ns=self._started_ns,
            ended_ns=time_ns(),
            received=self._packets + dropped,
            dropped=dropped,
            comment=f"TCP ports captured: {ports or 'none'}",
        )


class _Watch:
    """What `wait_until` waits for."""

    __slots__ = ("condition", "done", "failure")

    def __init__(self, condition: Callable[[], bool]) -> None:
        self.condition = condition
        self.done = False
        self.failure: BaseException | None = None
