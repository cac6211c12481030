#!/usr/bin/env python3
"""What live capture takes without a drop, and what it costs the client that is measured: `verify`, tcpdump and dumpcap
in turn, with buffers of the same size, each saving to a file. In a network namespace of its own; root's.

    python tests/bench/live.py [--markdown] [--seconds N] [--rounds N] [--only TEXT]

take      crafted frames come on a veth pair at growing rates (sender.py). Taken is a rate of which nothing is dropped
          and, so that buffers don't do the work, all is dealt with soon after the last.
cost      wrk loads nginx on loopback as much as both can, with and without a capture beside them: requests a second,
          what was dropped, and processor time of the capture for each packet it kept.
client    Python's requests in one Session, alone, beside other captures, and as `verify http` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from build_capture import AS_ROOT, free_port, listens, write_out
from sender import Sender, Sent
from shapes import SERVER_PORT
from table import number, show

from verifier.sources.live import FULL_BUFFER_BYTES

HERE = Path(__file__).parent
PATIENCE_S = 20.0
LATE_S = 0.3
POLL_S = 0.01
SLOWEST = 50_000
FASTEST = 6_400_000
STEPS = 3
"""Rates tried between one that was taken and twice as much."""
TRIES = 2
"""A rate is given up where it was not taken so often: other programs disturb."""
BULK_FREE = 12 << 30
"""Bytes of disk below which no bulk transfers are captured."""
PYTHON_REQUESTS = 1500
OWN_NETWORK = "VERIFY_BENCH_OWN_NETWORK"
"""In the environment of what runs in a network of its own already."""

NGINX = """
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""

CLIENT = """
import sys, time, requests
with requests.Session() as session:
    session.get(sys.argv[1])
    began = time.perf_counter()
    for _ in range(int(sys.argv[2])):
        session.get(sys.argv[1])
    print(int(sys.argv[2]) / (time.perf_counter() - began))
"""


class Kept(NamedTuple):
    packets: int
    dropped: int
    busy_s: float
    """Processor time of the capturing process."""
    late_s: float
    """From the word that all was sent to the last packet's being dealt with."""


class Contender(NamedTuple):
    name: str
    start: Callable[[str, int, Path], Capture]
    """Captures a TCP port of an interface to a file."""
    full: bool
    """Whether it keeps whole packets, and all."""
    waits_s: float = 0.0
    """How long it leaves packets in the kernel's buffer, unless they are many."""


class Capture:
    """A process that captures."""

    def __init__(self, command: Sequence[str], ready: bytes) -> None:
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `abandon`
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.said, stderr=subprocess.STDOUT)
        self._wait_for(lambda: ready in self.words())

    def words(self) -> bytes:
        size = os.fstat(self.said.fileno()).st_size
        return os.pread(self.said.fileno(), size, 0)

    def stop(self, mark: Callable[[bytes], object]) -> Kept:
        """`mark` sends 16 bytes behind all that is to be captured."""
        raise NotImplementedError

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{self.process.args!r}: {self.words().decode(errors='replace')}")
            time.sleep(POLL_S)

    def abandon(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.said.close()


class Ours(Capture):
    def __init__(self, packets: str, interface: str, port: int, path: Path) -> None:
        command = [sys.executable, str(HERE / "capturer.py"), packets, interface, str(port), str(path)]
        super().__init__(command, b"ready\n")

    def stop(self, mark: Callable[[bytes], object]) -> Kept:
        began = time.monotonic()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._wait_for(lambda: self.words().endswith(b"}\n"))
        late = time.monotonic() - began
        self.process.wait(PATIENCE_S)
        told = json.loads(self.words().partition(b"\n")[2])
        return Kept(told["kept"], told["dropped"], told["busy_s"], late)


class Theirs(Capture):
    """tcpdump and dumpcap: a datagram that shows in the file says that they have dealt with all before it."""

    def __init__(self, command: Sequence[str], path: Path, counts: Sequence[bytes]) -> None:
        self.path = path
        self.counts = counts
        """What stands around the numbers of packets kept and dropped."""
        super().__init__(command, b"listening on" if command[0] == "tcpdump" else b"File: ")

    def stop(self, mark: Callable[[bytes], object]) -> Kept:
        words = os.urandom(8).hex().encode()
        began = time.monotonic()
        mark(words)
        while time.monotonic() < began + PATIENCE_S and not self._flushed(words):
            time.sleep(POLL_S)
        late = time.monotonic() - began
        self.process.send_signal(signal.SIGINT)
        _, _, used = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        kept, dropped = (re.search(pattern, self.words()) for pattern in self.counts)
        if kept is None or dropped is None:
            raise SystemExit(f"{self.process.args!r}: {self.words().decode(errors='replace')}")
        return Kept(int(kept[1]) - 1, int(dropped[1]), used.ru_utime + used.ru_stime, late)

    def _flushed(self, words: bytes) -> bool:
        if self.counts is TCPDUMP:
            write_out(self.process, self.path)
        return shows(self.path, words)


def shows(path: Path, words: bytes) -> bool:
    """Whether a file has them near its end."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return words in file.read()


TCPDUMP = (rb"(\d+) packets? captured", rb"(\d+) packets? dropped by kernel")
DUMPCAP = (rb"Packets captured: (\d+)", rb"received/dropped on interface '.*': \d+/(\d+)")


def ours(packets: str) -> Contender:
    return Contender(
        f"verify, {packets}", lambda interface, port, path: Ours(packets, interface, port, path), packets == "full"
    )


def tcpdump(name: str, *more: str) -> Contender:
    def start(interface: str, port: int, path: Path) -> Capture:
        size = str(FULL_BUFFER_BYTES >> 10)
        command = ["tcpdump", *AS_ROOT, "-i", interface, "-n", "-p", "-B", size, *more, "-w", str(path), f"port {port}"]
        return Theirs(command, path, TCPDUMP)

    return Contender(name, start, not more, 1.0)


def dumpcap() -> Contender:
    def start(interface: str, port: int, path: Path) -> Capture:
        size = str(FULL_BUFFER_BYTES >> 20)
        command = ["dumpcap", "-q", "-i", interface, "-p", "-B", size, "-f", f"port {port}", "-w", str(path)]
        return Theirs(command, path, DUMPCAP)

    return Contender("dumpcap", start, True, 1.0)


def contenders() -> list[Contender]:
    found = [ours("full"), ours("headers"), ours("control")]
    if shutil.which("tcpdump"):
        found += [tcpdump("tcpdump -w"), tcpdump("tcpdump -w -s 96", "-s", "96")]
    if shutil.which("dumpcap"):
        found.append(dumpcap())
    return found


# -- what is taken


class Trial(NamedTuple):
    sent: Sent
    kept: Kept
    taken: bool


def tried(contender: Contender, sender: Sender, rate: float, seconds: float) -> Trial:
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        capture = contender.start("near", SERVER_PORT, Path(folder) / "capture")
        try:
            sent = sender.send(rate, seconds)
            kept = capture.stop(sender.mark)
            return Trial(sent, kept, kept.dropped == 0 and kept.late_s <= LATE_S + contender.waits_s)
        finally:
            capture.abandon()


def most_taken(contender: Contender, sender: Sender, seconds: float) -> tuple[Trial | None, str]:
    """The trial with the highest rate that was taken, and why no more was."""
    best: Trial | None = None
    low, high = 0.0, 0.0
    rate = float(SLOWEST)
    for _ in range(20):
        trial = best_of(contender, sender, rate, seconds)
        if trial.taken:
            if best is None or trial.sent.rate > best.sent.rate:
                best = trial
            low = rate
            if trial.sent.rate < rate * 0.9:
                return best, "the sender sends no more"
        else:
            high = rate
            dropped = trial.kept.dropped
        if not high:
            if rate >= FASTEST:
                return best, "nothing faster was tried"
            rate *= 2
        elif high <= low * 2 ** (1 / (1 << (STEPS - 1))) or high <= SLOWEST / 8:
            return best, f"{dropped:,} dropped at {high:,.0f}/s" if dropped else f"late at {high:,.0f}/s"
        else:
            rate = (low * high) ** 0.5 if low else high / 2
    return best, ""


def best_of(contender: Contender, sender: Sender, rate: float, seconds: float) -> Trial:
    for _ in range(TRIES - 1):
        trial = tried(contender, sender, rate, seconds)
        if trial.taken:
            return trial
    return tried(contender, sender, rate, seconds)


TAKE_HEADS = ("", "packets/s", "connections/s", "kept", "processor time", "a core's worth", "why no more")
"""A core's worth: packets/s by the processor time alone, where the sender is not as fast."""


def take(chosen: Sequence[Contender], options: argparse.Namespace) -> None:
    for command in ("link add near type veth peer name far", "link set near up", "link set far up"):
        subprocess.run(["ip", *command.split()], check=True)
    sender = Sender("far")
    rows = []
    for contender in chosen:
        best, why = most_taken(contender, sender, options.seconds)
        if best is None:
            rows.append((contender.name, "", "", "", "", "", why))
            continue
        rows.append(
            (
                contender.name,
                number(best.sent.rate),
                number(best.sent.connections / best.sent.seconds),
                f"{best.kept.packets / best.sent.packets:.0%}",
                f"{best.kept.busy_s / best.kept.packets * 1e6:.2f} us a packet",
                f"{best.sent.packets / best.kept.busy_s:,.0f}/s",
                why,
            )
        )
    sender.close()
    title = "Live capture of crafted frames on a veth pair: the most that is taken without a drop"
    show(title, TAKE_HEADS, rows, options.markdown)


# -- what it costs


class Load(NamedTuple):
    name: str
    title: str
    body: int
    words: tuple[str, ...]
    bulk: bool


LOADS = (
    Load("kept", "200 bytes a response, 50 connections kept open", 200, ("-c50",), False),
    Load("closed", "200 bytes a response, a connection for each", 200, ("-c50", "-H", "Connection: close"), False),
    Load("bulk", "20 kB a response, 50 connections kept open", 20_000, ("-c50",), True),
    Load("huge", "200 kB a response, 50 connections kept open", 200_000, ("-c50",), True),
)


@contextmanager
def serving(body: int) -> Iterator[int]:
    """nginx on loopback; its port."""
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        os.chmod(folder, 0o755)
        (Path(folder) / "index.html").write_bytes(b"x" * body)
        port = free_port()
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder, port=port))
        server = subprocess.Popen(["nginx", "-c", configuration, "-p", folder], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + PATIENCE_S
            while not listens(port):
                if server.poll() is not None or time.monotonic() > end:
                    raise SystemExit("nginx does not start")
                time.sleep(POLL_S)
            yield port
        finally:
            server.terminate()
            server.wait()


def marking(port: int) -> Callable[[bytes], object]:
    """Sends words to a port of loopback."""

    def mark(words: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(words, ("127.0.0.1", port))

    return mark


@contextmanager
def captured(contender: Contender | None, port: int, into: list[Kept]) -> Iterator[None]:
    if contender is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        capture = contender.start("lo", port, Path(folder) / "capture")
        try:
            yield
            into.append(capture.stop(marking(port)))
        finally:
            capture.abandon()


def wrk(load: Load, port: int, seconds: float) -> float:
    """Requests a second."""
    command = ["wrk", "-t1", f"-d{max(1, round(seconds))}s", *load.words, f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(next(line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec")))


COST_HEADS = ("", "requests/s", "of without", "packets kept", "dropped", "processor time", "of one core")


def cost(chosen: Sequence[Contender], options: argparse.Namespace) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    for load in LOADS:
        if options.only and options.only not in ("live", "cost", load.name):
            continue
        if load.bulk and free < BULK_FREE:
            print(f"left out: {load.title}: {free / 1e9:.1f} GB of disk are free, and {BULK_FREE / 1e9:.0f} are needed")
            continue
        runners = [None, *(each for each in chosen if each.full or not load.bulk)]
        rates: dict[str, list[float]] = {name_of(each): [] for each in runners}
        kept: dict[str, list[Kept]] = {name_of(each): [] for each in runners}
        with serving(load.body) as port:
            for _ in range(options.rounds):
                for each in runners:
                    with captured(each, port, kept[name_of(each)]):
                        rates[name_of(each)].append(wrk(load, port, options.seconds))
        without = statistics.median(rates[name_of(None)])
        rows = [
            (
                name,
                number(statistics.median(seen)),
                f"{statistics.median(seen) / without:.0%}",
                *captures_row(kept[name], options.seconds),
            )
            for name, seen in rates.items()
        ]
        show(f"Live capture beside a load on loopback: {load.title}", COST_HEADS, rows, options.markdown)


def name_of(contender: Contender | None) -> str:
    return contender.name if contender else "no capture"


def captures_row(kept: Sequence[Kept], seconds: float) -> tuple[str, ...]:
    """What the middle one of them kept, dropped and took."""
    if not kept:
        return ("", "", "", "")
    middle = sorted(kept, key=lambda each: each.dropped)[len(kept) // 2]
    everything = middle.packets + middle.dropped
    return (
        number(middle.packets),
        f"{middle.dropped:,} ({middle.dropped / everything:.1%})" if middle.dropped else "0",
        f"{middle.busy_s / max(1, middle.packets) * 1e6:.2f} us a packet",
        f"{middle.busy_s / seconds:.0%}",
    )


# -- the client that `verify http` runs


CLIENT_HEADS = ("", "requests/s", "of without")


def client(chosen: Sequence[Contender], options: argparse.Namespace) -> None:
    others = [each for each in chosen if each.full and not each.name.startswith("verify")]
    rates: dict[str, list[float]] = {}
    with serving(200) as port:
        url = f"http://127.0.0.1:{port}/"
        for _ in range(options.rounds):
            for each in [None, *others]:
                with captured(each, port, []):
                    command = [sys.executable, "-c", CLIENT, url, str(PYTHON_REQUESTS)]
                    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                name = "requests alone" if each is None else f"beside {each.name}"
                rates.setdefault(name, []).append(float(said))
            for packets in ("full", "headers", "control"):
                rates.setdefault(f"verify http --packets {packets}", []).append(by_verify(url, packets))
    without = statistics.median(rates["requests alone"])
    rows = [
        (name, number(statistics.median(seen)), f"{statistics.median(seen) / without:.0%}")
        for name, seen in rates.items()
    ]
    show("Python's requests, one Session, a request after the other", CLIENT_HEADS, rows, options.markdown)


def by_verify(url: str, packets: str) -> float:
    """From the first packet to the last."""
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        command = [os.path.join(os.path.dirname(sys.executable), "verify"), "http", url, "-n", str(PYTHON_REQUESTS)]
        command += ["--packets", packets, "--json", "--write", f"{folder}/capture.pcapng"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        capture = json.loads(done.stdout)["sources"][0]
    return float(PYTHON_REQUESTS / ((capture["last_ns"] - capture["first_ns"]) / 1e9))


PARTS = {"take": take, "cost": cost, "client": client}
LOAD_NAMES = tuple(load.name for load in LOADS)


def alone() -> bool:
    """Begins this program anew in a network of its own, unless it is in one; False where this user may not."""
    if os.geteuid():
        return False
    if OWN_NETWORK not in os.environ:
        sys.stdout.flush()
        os.environ[OWN_NETWORK] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="tables as in the README")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help=f"{', '.join(PARTS)}, or a load: {', '.join(LOAD_NAMES)}")
    options = parser.parse_args()
    if lacking := [program for program in ("nginx", "wrk", "ip", "unshare") if not shutil.which(program)]:
        print(f"left out: live capture, which needs {', '.join(lacking)}")
        return 0
    if not alone():
        print("left out: live capture, which is root's")
        return 0
    chosen = contenders()
    for name, part in PARTS.items():
        if options.only in ("", "live", name) or (name == "cost" and options.only in LOAD_NAMES):
            part(chosen, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
