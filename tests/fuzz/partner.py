"""The other build of the engine, in a process of its own: it may crash, hang or take memory without harm to the fuzzer.

It reads jobs on standard input, and answers on standard output, both pickled.
"""

from __future__ import annotations

import os
import pickle
import select
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from typing import IO, NamedTuple

LIMIT_S = 5.0
LIMIT_MB = 500.0
HERE = os.path.dirname(os.path.abspath(__file__))


class Job(NamedTuple):
    contents: list[bytes]
    kind: int
    frames: list[tuple[bytes, int, int, int]] | None
    """The packets of the only file, to be handed to the engine one by one, too."""


class Answer(NamedTuple):
    outcome: tuple[str, str, str, int] = ("", "", "", 0)
    replayed: tuple[str, str, str, int] | None = None
    broken: str = ""
    seconds: float = 0
    megabytes: float = 0


def send(stream: IO[bytes], value: object) -> None:
    content = pickle.dumps(value)
    stream.write(struct.pack(">Q", len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> object:
    """What was sent; None at the end."""
    head = stream.read(8)
    return pickle.loads(stream.read(struct.unpack(">Q", head)[0])) if len(head) == 8 else None


class Partner:
    """Runs `serve` in a process, and starts another one where it ended or had to be ended."""

    def __init__(self, engine: str, environment: dict[str, str]) -> None:
        self.engine = engine
        self.environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
        self.folder = tempfile.TemporaryDirectory(prefix="verify-fuzz-")
        self.jobs = 0

    def ask(self, job: Job) -> Answer:
        process = self.process
        if process is None:
            start = "import sys; sys.path[:0] = sys.argv[1:3]; import partner; partner.serve(sys.argv[3])"
            command = [sys.executable, "-c", start, self.engine, HERE, self.folder.name]
            process = self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=self.environment
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, job)
            # Starting takes some of the time, and the machine may be busy.
            if select.select([process.stdout], [], [], 4 * LIMIT_S)[0]:
                answer = receive(process.stdout)
                if isinstance(answer, Answer):
                    return answer
            else:
                self.stop()
                return Answer(broken=f"hangs: more than {4 * LIMIT_S:.0f} s")
        except BrokenPipeError:
            pass  # it ended: what it said follows
        self.stop()
        self.log.seek(0)
        said = self.log.read().decode("utf-8", "replace")
        self.log.truncate(0)
        return Answer(broken=f"the process ended, status {process.returncode}: {said[-6000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def serve(folder: str) -> None:
    """Does jobs in this folder until there are no more."""
    import oracle

    os.environ["PATH"] = ""  # no other program is asked what a file is
    out = os.fdopen(os.dup(1), "wb")
    while isinstance(job := receive(sys.stdin.buffer), Job):
        began = time.process_time()
        try:
            paths = oracle.saved(job.contents, folder)
            outcome = oracle.run(paths, job.kind)
            seconds = time.process_time() - began
            replayed = None
            if job.frames is not None and not outcome.complaint:
                replayed = oracle.replay(job.frames, oracle.reading_of(paths[0]), job.kind)[:]
            answer = Answer(outcome[:], replayed, "", seconds, oracle.memory_mb())
        except Exception:  # noqa: BLE001 - that there is none is what is tested
            answer = Answer(broken=traceback.format_exc())
        send(out, answer)
