#!/usr/bin/env python3
"""`verify`'s live capture with its engine, alone in a process: `capturer.py PACKETS INTERFACE PORT FILE`.

Prints a line once it captures; ends when its standard input does, and prints what it kept as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from verifier.app import new_engine
from verifier.sources.filter import Keep
from verifier.sources.live import CaptureOptions, LiveCapture


def main() -> int:
    packets, interface, port, path = sys.argv[1:]
    engine = new_engine(packets == Keep.CONTROL)
    options = CaptureOptions(interface, path, Keep(packets), frozenset({int(port)}))
    with LiveCapture(options, engine.read) as capture:
        before = time.process_time()
        print("ready", flush=True)
        sys.stdin.read()
        source, facts = capture.drain()
        busy = time.process_time() - before
    assert facts.opened
    tables = engine.finish()
    print(
        json.dumps(
            {
                "kept": source.packets,
                "dropped": source.dropped,
                "bytes": source.bytes,
                "busy_s": busy,
                "whole": facts.drained,
                "connections": tables.connections.rows,
            }
        ),
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
