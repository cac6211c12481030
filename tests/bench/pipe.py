#!/usr/bin/env python3
"""`tcpdump -i lo -w - | verify analyze -` under load: whether a packet is missing that tcpdump wrote, and how soon
after the end the report is there. In a network namespace of its own; root's.

    python tests/bench/pipe.py [--markdown] [--seconds N]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from build_capture import AS_ROOT, write_out
from live import LOADS, PATIENCE_S, POLL_S, alone, marking, serving, shows, wrk
from table import number, show

from verifier.sources.live import FULL_BUFFER_BYTES


class Piped(NamedTuple):
    written: int
    """Packets that tcpdump says it captured."""
    in_file: int
    """Packets of what it wrote, as capinfos counts them in a copy."""
    report: dict[str, dict[str, int]]
    late_s: float
    """From tcpdump's end to that of `verify`, whose report is then there."""
    dropped: int
    """By the kernel, before tcpdump had them."""


def piped(port: int, load: Callable[[], object]) -> Piped:
    """Captures a TCP port of lo while `load` runs."""
    verify = os.path.join(os.path.dirname(sys.executable), "verify")
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        copy, said = Path(folder) / "copy.pcap", Path(folder) / "said"
        size = str(FULL_BUFFER_BYTES >> 10)
        with said.open("wb") as log:
            command = ["tcpdump", *AS_ROOT, "-i", "lo", "-n", "-B", size, "-w", "-", f"port {port}"]
            tcpdump = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        tee = subprocess.Popen(["tee", copy], stdin=tcpdump.stdout, stdout=subprocess.PIPE)
        reader = subprocess.Popen([verify, "analyze", "-", "--json"], stdin=tee.stdout, stdout=subprocess.PIPE)
        for pipe in (tcpdump.stdout, tee.stdout):
            assert pipe is not None
            pipe.close()  # theirs alone, so that the end of one is seen by the next
        try:
            end = time.monotonic() + PATIENCE_S
            while b"listening on" not in said.read_bytes():
                if tcpdump.poll() is not None or time.monotonic() > end:
                    raise SystemExit(said.read_text())
                time.sleep(POLL_S)
            load()
            # It ends without what still lies in the kernel's buffer: a datagram shows that nothing does.
            words = os.urandom(8).hex().encode()
            marking(port)(words)
            end = time.monotonic() + PATIENCE_S
            while not shows(copy, words) and time.monotonic() < end:
                write_out(tcpdump, copy)
                time.sleep(POLL_S)
            tcpdump.send_signal(signal.SIGINT)
            tcpdump.wait(PATIENCE_S)
            began = time.monotonic()
            report = json.loads(reader.communicate(timeout=PATIENCE_S)[0])
            late = time.monotonic() - began
            tee.wait(PATIENCE_S)
        finally:
            for process in (tcpdump, tee, reader):
                if process.poll() is None:
                    process.kill()
                process.wait()
        counted = subprocess.run(["capinfos", "-M", "-c", copy], capture_output=True, text=True, check=True).stdout
        told = said.read_text()
    captured, dropped = re.search(r"(\d+) packets? captured", told), re.search(r"(\d+) packets? dropped", told)
    assert captured is not None
    assert dropped is not None
    return Piped(int(captured[1]), int(counted.rpartition(":")[2]), report, late, int(dropped[1]))


HEADS = ("", "tcpdump wrote", "capinfos counts", "verify read", "missing", "requests", "report after", "dropped before")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="tables as in the README")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    options = parser.parse_args()
    if lacking := [program for program in ("tcpdump", "capinfos", "nginx", "wrk") if not shutil.which(program)]:
        print(f"left out: the pipe, which needs {', '.join(lacking)}")
        return 0
    if not alone():
        print("left out: the pipe from tcpdump, whose capture is root's")
        return 0
    rows = []
    for load in LOADS[:2]:
        with serving(load.body) as port:
            seen = piped(port, lambda load=load, port=port: wrk(load, port, options.seconds))  # type: ignore[misc]
        totals = seen.report["totals"]
        rows.append(
            (
                load.title,
                number(seen.written),
                number(seen.in_file),
                number(totals["packets"]),
                number(max(seen.written, seen.in_file) - totals["packets"]),
                number(totals["requests"]),
                f"{seen.late_s * 1e3:,.0f} ms",
                number(seen.dropped),
            )
        )
    show("tcpdump -i lo -w - | verify analyze -, under load", HEADS, rows, options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
