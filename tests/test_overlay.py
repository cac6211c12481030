"""Two real overlay networks with the same addresses, made by the kernel: two VXLANs between two hosts, each host and
each tenant a network namespace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest
from apart import answering
from examine import note_codes, totals

from verifier.app import analyze
from verifier.judge.options import Expectations, Selection

TIME_LIMIT_S = 30
PORT = 8080
CLIENT, SERVER = "10.9.0.1", "10.9.0.2"
NEAR, FAR = "192.0.2.1", "192.0.2.2"
MARKER = b"the last packet of all"

SERVE = answering(SERVER, PORT)
ASK = f"""
import http.client, sys
connection = http.client.HTTPConnection("{SERVER}", {PORT}, source_address=("{CLIENT}", 40000))
print("ready", flush=True)
for line in sys.stdin:
    connection.request("GET", line.strip())
    connection.getresponse().read()
    print("done", flush=True)
connection.close()
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare", "tcpdump"))),
    reason="network namespaces are root's, and ip, nsenter, unshare or tcpdump is not installed",
)


class Space:
    """A network namespace, there as long as the process that holds it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.holder = self._started(["unshare", "--net"], "print('ready', flush=True); input()")

    def started(self, source: str) -> subprocess.Popen[str]:
        """A Python program inside, once it says that it is ready."""
        return self._started(self._inside(), source)

    def _started(self, before: list[str], source: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.stack.callback(ended, process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def _inside(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def ip(self, words: str) -> None:
        done = subprocess.run(
            [*self._inside(), "ip", *words.split()], capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S
        )
        if "type vxlan" in words and ("Unknown device type" in done.stderr or "not supported" in done.stderr):
            pytest.skip("the kernel has no VXLAN")
        assert (done.returncode, done.stderr) == (0, "")

    def capture(self, interface: str, path: Path) -> subprocess.Popen[str]:
        command = ["tcpdump", "-i", interface, "-U", "--immediate-mode", "-Z", "root", "-w", str(path)]
        process = subprocess.Popen([*self._inside(), *command], stderr=subprocess.PIPE, text=True)
        self.stack.callback(ended, process)
        assert process.stderr is not None
        assert any("listening on" in line for line in process.stderr)
        return process


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=TIME_LIMIT_S)


@contextmanager
def overlays(numbers: tuple[int, ...]) -> Iterator[tuple[Space, list[tuple[Space, Space]]]]:
    """A host, and for each VNI the namespaces of its client on this host and of its server on the other."""
    with ExitStack() as stack:
        near, far = Space(stack), Space(stack)
        near.ip(f"link add under type veth peer name under netns {far.holder.pid}")
        for host, own in ((near, NEAR), (far, FAR)):
            host.ip(f"address add {own}/24 dev under")
            host.ip("link set under up")
        tenants = []
        for number in numbers:
            pair = (Space(stack), Space(stack))
            for host, space, inner, own, other in (
                (near, pair[0], CLIENT, NEAR, FAR),
                (far, pair[1], SERVER, FAR, NEAR),
            ):
                host.ip(f"link add over type vxlan id {number} dstport 4789 local {own} remote {other} dev under")
                host.ip(f"link set over netns {space.holder.pid}")
                space.ip(f"address add {inner}/24 dev over")
                space.ip("link set over up")
            tenants.append(pair)
        yield near, tenants


def test_two_overlays_with_the_same_addresses(tmp_path: Path) -> None:
    """Both clients have the same address and port, and ask servers with the same address and port, in turn."""
    path = tmp_path / "under.pcap"
    with overlays((1, 2)) as (host, tenants):
        capture = host.capture("under", path)
        for _, server in tenants:
            server.started(SERVE)
        clients = [client.started(ASK) for client, _ in tenants]
        for target in ("/1", "/2", "/3"):
            for client in clients:
                said = say(client, target)
                assert said == "done\n"
        for client in clients:
            client.communicate(timeout=TIME_LIMIT_S)
        host.started(
            f"""
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({MARKER!r}, ("{FAR}", 9))
print("ready", flush=True)
"""
        )
        deadline = monotonic() + TIME_LIMIT_S
        while MARKER not in path.read_bytes():
            assert monotonic() < deadline
            os.sched_yield()
        capture.send_signal(signal.SIGINT)
        capture.wait(TIME_LIMIT_S)
    report = analyze([str(path)], Selection(), Expectations())
    assert totals(report) == (2, 2, 6, 6)
    assert report.verdict == "proved"
    assert len(report.pairs) == 2
    assert [pair.requests for pair in report.pairs] == [3, 3]
    assert "addresses-shared" in note_codes(report)


def say(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline()
