"""Where the time of `verify analyze` goes, by samples of the processor's clock (perf)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from peers import VERDICTS

PARTS = (
    ("the kernel copies the file", r"\[k(ernel.*)?\] .*(copy|filemap|folio|read_iter|vfs_read|readahead)"),
    ("the kernel, else: memory, start, end", r"\[k"),
    ("records and headers", r"(engine|pcap|pcapng|records|packet|link|media|tunnels|fragments|frames|merge)\."),
    ("TCP", r"(connection|half|flows|seq|notes)\."),
    ("HTTP", r"(http1|head|speech|tls|h2|octets)\."),
    ("tables", r"(tables|twins|_shared)\."),
    ("judge", r"(tally|busy|order|lacking|endings|groups|lineage|openings|relays|repetition)\."),
    ("Python itself: objects, start-up, judge and report", r"(lib)?python|ld-linux"),
    ("libc and others", r""),
)


def shares(command: list[str]) -> list[tuple[str, float]] | None:
    """Parts and their share of all samples, largest first; None where perf is missing or may not sample."""
    if not shutil.which("perf"):
        return None
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        data = str(Path(folder) / "perf.data")
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "5000", "-o", data, "--", *command]
        if subprocess.run(record, capture_output=True, check=False).returncode not in VERDICTS:
            return None
        report = ["perf", "report", "-i", data, "--no-children", "-g", "none", "-F", "sample,dso,sym", "-t", "|"]
        said = subprocess.run(report, capture_output=True, text=True, check=False).stdout
    return sorted_out(said.splitlines())


def sorted_out(lines: Iterable[str]) -> list[tuple[str, float]] | None:
    """Of lines like `  812|engine.cpython-311-x86_64-linux-gnu.so|[.] __pyx_f_...`."""
    found: Counter[str] = Counter()
    for line in lines:
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 3 and fields[0].isdigit():
            where = f"{fields[1]} {fields[2]}"
            found[next(part for part, pattern in PARTS if re.match(pattern, where))] += int(fields[0])
    total = sum(found.values())
    return [(part, count / total) for part, count in found.most_common()] if total else None
