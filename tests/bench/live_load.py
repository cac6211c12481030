"""How many packets a live capture keeps on loopback under load: nginx answers wrk as fast as both can.

    python tests/bench/live_load.py [--seconds 5] [--packets full|headers|control] [--bytes 200] [--no-file] [--close]
[--engine]

Needs nginx and wrk. Prints packets kept and dropped, and what reading cost in processor time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from verifier.sources.filter import Keep
from verifier.sources.live import CaptureOptions, LiveCapture
from verifier.wire.engine import Engine


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start_nginx(folder: str, port: int, body: int) -> subprocess.Popen[bytes]:
    os.chmod(folder, 0o755)
    with open(f"{folder}/index.html", "wb") as page:
        page.write(b"x" * body)
    with open(f"{folder}/nginx.conf", "w", encoding="ascii") as conf:
        conf.write(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
            "events { worker_connections 4096; }\n"
            "http { access_log off; keepalive_requests 1000000;"
            f" server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
        )
    server = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf", "-p", folder], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.01)
    raise SystemExit(f"nginx does not start: see {folder}/error.log")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--packets", type=Keep, default=Keep.FULL)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--no-file", action="store_true")
    parser.add_argument("--close", action="store_true", help="a connection for each request")
    parser.add_argument("--buffer", type=int, default=None)
    parser.add_argument("--engine", action="store_true", help="give the packets to the engine")
    options = parser.parse_args()
    for program in ("nginx", "wrk"):
        if shutil.which(program) is None:
            raise SystemExit(f"needs {program}")
    seen = 0
    engine = Engine() if options.engine else None

    def sink(data: bytes, ts_ns: int, wire_length: int, link_type: int) -> None:
        nonlocal seen
        seen += 1
        if engine is not None:
            engine.packet(data, ts_ns, wire_length, link_type)

    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        server = start_nginx(folder, port, options.bytes)
        try:
            path = None if options.no_file else f"{folder}/load.pcapng"
            with LiveCapture(CaptureOptions("lo", path, options.packets, buffer_bytes=options.buffer), sink) as capture:
                capture.allow(port)
                command = ["wrk", "-t1", "-c50", f"-d{options.seconds}", f"http://127.0.0.1:{port}/"]
                if options.close:
                    command[1:1] = ["-H", "Connection: close"]
                before, began = time.process_time(), time.monotonic()
                load = subprocess.run(command, capture_output=True, text=True, check=True)
                took = time.monotonic() - began
                source, facts = capture.drain()
                busy = time.process_time() - before
        finally:
            server.terminate()
            server.wait()
        size = os.path.getsize(path) if path else 0
    rate = next(line.split()[1] for line in load.stdout.splitlines() if line.startswith("Requests/sec"))
    file = f"file {size / 1e6:.0f} MB" if path else "no file"
    rates = f"{source.packets / took:,.0f}/s, {source.bytes / took / 1e6:,.0f} MB/s"
    cost = f"{busy / max(source.packets, 1) * 1e6:.2f} us of processor time a packet"
    print(f"{options.packets}, body {options.bytes}, {file}: {rate} requests/s")
    print(f"  kept {source.packets:,} ({rates}), dropped {source.dropped:,}; {cost}")
    print(f"  opened {facts.opened}, drained {facts.drained}")
    assert seen == source.packets
    assert threading.active_count() == 1


if __name__ == "__main__":
    main()
