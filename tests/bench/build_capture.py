#!/usr/bin/env python3
"""Builds the big capture that `make bench` reads: real nginx traffic, made once, kept in a cache folder.

About 1.1 GB, 1.7 million packets, 60,000 connections of 10 requests each: nginx closes each connection after
`keepalive_requests 10`, wrk opens the next one, tcpdump records loopback. The capture is taken only if the kernel
dropped nothing, and it is complete on both ends: tcpdump listens before wrk starts, and a marker datagram, sent after
nginx has gone, is the last packet of the file.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BODY_BYTES = 1300
REQUESTS = 600_000
REQUESTS_PER_CONNECTION = 10
CONCURRENT = 24
BUFFER_KIB = 512 * 1024
"""tcpdump's ring: half the capture, so that a slow disk for some seconds costs no packet."""
AS_ROOT = [] if os.geteuid() else ["-Z", "root"]
"""Root's tcpdump takes another user before it opens its file, unless told not to."""
SMALL_PACKETS = 50
DEADLINE_SECONDS = 600
AT_REST_S = 0.03
"""A file that has not grown for so long is not being written."""
NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile off;
    tcp_nodelay on;
    keepalive_requests {per_connection};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=1024;
        root {folder}/www;
        location / {{ default_type application/json; try_files /item.json =500; }}
    }}
}}
"""

WRK = """
local sent = 0
function request()
    sent = sent + 1
    if sent > {requests} then
        io.open("{done}", "w"):close()
        wrk.thread:stop()
    end
    return wrk.format("GET", "/items/" .. sent .. "?page=" .. sent % 97)
end
"""


class Captures(NamedTuple):
    big: Path
    small: Path


def folder() -> Path:
    """Where the captures are kept: $VERIFY_BENCH_DIR, or verify-bench in the user's cache."""
    if named := os.environ.get("VERIFY_BENCH_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "verify-bench"


def ensure(where: Path) -> Captures:
    """The captures of `where`, built if they are not there yet."""
    captures = Captures(where / "big.pcap", where / "small.pcap")
    if not captures.big.exists():
        missing = [tool for tool in ("nginx", "wrk", "tcpdump", "capinfos") if not shutil.which(tool)]
        if missing:
            raise SystemExit(
                f"the big capture is made with {', '.join(missing)}, which this system lacks; run: make bench"
            )
        if os.geteuid():
            raise SystemExit("the big capture needs the right to capture on lo; run as root: make bench")
        where.mkdir(parents=True, exist_ok=True)
        build(captures.big)
    if not captures.small.exists():
        cut(captures)
    return captures


def cut(captures: Captures) -> None:
    """The first packets of the first two client ports: handshakes, requests, closes, a port used again."""
    first = ["tcpdump", "-nr", str(captures.big), "-c", "2", "tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn"]
    said = subprocess.run(first, check=True, capture_output=True, text=True).stdout
    ports = " or ".join(f"tcp port {port}" for port in re.findall(r"\.(\d+) >", said))
    keep = ["tcpdump", *AS_ROOT, "-r", str(captures.big), "-c", str(SMALL_PACKETS), "-w", str(captures.small), ports]
    subprocess.run(keep, check=True, capture_output=True)


def build(target: Path) -> None:
    """Records the traffic beside `target` and moves it there once it is known to be whole."""
    partial = target.with_suffix(".partial")
    try:
        with tempfile.TemporaryDirectory(prefix="verify-bench-") as temporary:
            os.chmod(temporary, 0o755)  # nginx's worker may run as another user
            record(Path(temporary), partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def record(temporary: Path, capture: Path) -> None:
    port = free_port()
    www = temporary / "www"
    www.mkdir()
    (www / "item.json").write_bytes(item(BODY_BYTES))
    configuration = temporary / "nginx.conf"
    user = "" if os.geteuid() else "user root;"
    configuration.write_text(
        NGINX.format(user=user, folder=temporary, per_connection=REQUESTS_PER_CONNECTION, port=port)
    )
    script = temporary / "requests.lua"
    done = temporary / "done"
    script.write_text(WRK.format(requests=REQUESTS, done=done))

    tcpdump_says = temporary / "tcpdump.log"
    with tcpdump_says.open("wb") as log:
        command = ["tcpdump", *AS_ROOT, "-i", "lo", "-n", "-s", "0", "-B", str(BUFFER_KIB), "-w", str(capture)]
        tcpdump = subprocess.Popen([*command, f"tcp port {port} or udp port {port}"], stderr=log)
    nginx = wrk = None
    try:
        wait_for("tcpdump to listen", lambda: b"listening on" in tcpdump_says.read_bytes(), tcpdump)
        nginx = subprocess.Popen(["nice", "nginx", "-c", str(configuration), "-p", str(temporary)])
        wait_for("nginx to listen", lambda: listens(port), nginx)
        # One thread below the others' priority: tcpdump must always come first.
        command = ["nice", "wrk", "-t1", f"-c{CONCURRENT}", f"-d{DEADLINE_SECONDS}s", "-s", str(script)]
        command += ["-H", "User-Agent: bench/1.0", "-H", "Accept: application/json", f"http://127.0.0.1:{port}/"]
        wrk = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        # wrk stops at a time, not at a number of requests: its script says when they are sent, and it ends by SIGINT.
        wait_for("wrk to send its requests", done.exists, wrk)
        wrk.send_signal(signal.SIGINT)
        wrk.wait(60)
        nginx.send_signal(signal.SIGQUIT)  # lets it close what is open, so that the last FINs are in the capture
        nginx.wait(DEADLINE_SECONDS)
        marker = b"end of capture %d" % os.getpid()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(marker, ("127.0.0.1", port))
        wait_for("the end marker in the capture", lambda: flushed_to(capture, marker, tcpdump), tcpdump)
    finally:
        for process in (wrk, nginx, tcpdump):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)
    said = tcpdump_says.read_text()
    dropped = re.search(r"(\d+) packets dropped by kernel", said)
    if not dropped or int(dropped[1]):
        raise SystemExit(f"the capture is not whole, run it again on a quieter machine; tcpdump said: {said.strip()}")


def item(size: int) -> bytes:
    start, end = b'{"name": "', b'"}\n'
    return start + (b"keep-alive " * size)[: size - len(start) - len(end)] + end


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """By the kernel's table, not by a connection, which would be in the capture."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


def write_out(tcpdump: subprocess.Popen[bytes], capture: Path) -> None:
    """Asks tcpdump to write out what it holds, where its file grows no more: asked amid writing, it damages the file (3
    of some 20 times with 4.99.3, at 100,000 packets a second)."""
    size = capture.stat().st_size
    time.sleep(AT_REST_S)
    if capture.stat().st_size == size:
        tcpdump.send_signal(signal.SIGUSR2)


def flushed_to(capture: Path, marker: bytes, tcpdump: subprocess.Popen[bytes]) -> bool:
    write_out(tcpdump, capture)
    with capture.open("rb") as file:
        file.seek(max(0, capture.stat().st_size - 4096))
        return marker in file.read()


def wait_for(what: str, condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"waiting for {what}: {process.args!r} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {DEADLINE_SECONDS} s for {what}")
        time.sleep(0.05)


def main() -> int:
    captures = ensure(folder())
    for path in captures:
        subprocess.run(["capinfos", "-M", "-t", "-c", "-s", "-d", "-u", path], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
