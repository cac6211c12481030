"""What a run of `verify` loads before its first line of output, and how its process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CAUSES = Path(__file__).parent.parent / "captures" / "causes"
RUN = "from verifier.__main__ import run; run()"
HEAVY = {
    "argparse", "asyncio", "cython", "collections", "contextlib", "dataclasses", "enum", "functools", "importlib",
    "inspect", "json", "logging", "operator", "pathlib", "re", "requests", "scapy", "shutil", "socket", "subprocess",
    "tempfile", "threading", "types", "typing", "unicodedata", "warnings", "weakref",
}  # fmt: skip
"""Modules of others that each cost half a millisecond and more."""


def python(program: str, *argv: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    # -S: what `site` loads is for the machine's owner to say.
    command = [sys.executable, "-S", *options, "-c", f"import sys; sys.path.insert(0, '.'); {program}", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def loaded(*argv: str) -> set[str]:
    """The modules that are imported to run the command line."""
    run, nothing = (
        {
            line.rpartition("|")[2].strip()
            for line in python(program, *argv, options=("-X", "importtime")).stderr.splitlines()
        }
        for program in (RUN, "pass")
    )
    return run - nothing


@pytest.mark.parametrize("output", ["--color=never", "--json"])
@pytest.mark.parametrize("name", ["server-idle-timeout", "no-session"])
def test_nothing_heavy_is_loaded_for_a_saved_capture(name: str, output: str) -> None:
    modules = loaded("analyze", f"{CAUSES / name}.pcapng", output)
    assert "verifier.catalogue" in modules
    assert modules & HEAVY == set()


def test_nor_what_the_other_report_needs() -> None:
    modules = loaded("analyze", f"{CAUSES / 'no-session'}.pcapng", "--json")
    assert not {"verifier.report.text", "verifier.report.why"} & modules


def test_help_loads_no_engine() -> None:
    assert not any(name.startswith(("verifier.wire", "verifier.judge.decide")) for name in loaded("--help"))


def test_collections_is_whole_after_the_engine_did_without() -> None:
    done = python(
        "from verifier.lean import import_without_collections\n"
        "import_without_collections()\n"
        "import verifier.wire.engine, array, collections.abc\n"
        "print(collections.deque, issubclass(array.array, collections.abc.MutableSequence))"
    )
    assert done.stdout == "<class 'collections.deque'> True\n", done.stderr


def test_whoever_wants_to_be_called_at_the_end_is() -> None:
    done = python(f"import atexit; atexit.register(print, 'at the end'); {RUN}", "schema")
    assert done.stdout.endswith("}\nat the end\n")
    assert done.returncode == 0


def test_a_profiler_has_its_say() -> None:
    command = [sys.executable, "-m", "cProfile", "-m", "verifier", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "function calls" in done.stdout, done.stderr


def test_the_exit_status_is_that_of_the_command() -> None:
    assert python(RUN, "analyze", f"{CAUSES / 'no-session'}.pcapng").returncode == 1
    assert python(RUN, "analyze", "nowhere.pcapng").returncode == 2


def test_interrupted_before_it_begins() -> None:
    done = python(
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'verifier.arguments': os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Interrupting())\n" + RUN,
        "schema",
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "verify: interrupted\n")


def test_what_nothing_has_provided_for_is_no_verdict() -> None:
    """Python's own status after a traceback is 1, which would say "refuted"."""
    done = python(f"import verifier.arguments; verifier.arguments.read = lambda argv: 1 / 0; {RUN}", "schema")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
