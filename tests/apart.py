"""Runs Python apart from this process: in a network namespace of its own, or as an ordinary user made for the test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIME_LIMIT_S = 120
PREAMBLE = """
import subprocess, sys
def run(command):
    subprocess.run(command.split(), check=True)
"""


def in_own_network(source: str) -> str:
    """Runs `source` as root in a network namespace of its own, with `run(command)` at hand; what it prints."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace with interfaces is root's")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["unshare", "--net", sys.executable, "-W", "error", "-c", PREAMBLE + textwrap.dedent(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def answering(ip: str, port: int) -> str:
    """The source of an HTTP server that keeps its connections; it prints `ready` once it listens."""
    return f"""
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *words):
        pass
with http.server.ThreadingHTTPServer(("{ip}", {port}), Answer) as server:
    print("ready", flush=True)
    server.serve_forever()
"""


class User(NamedTuple):
    """An ordinary user, with a copy of the package that it can read."""

    name: str
    python: str
    folder: Path

    def run(self, source: str, *, limit_s: float = TIME_LIMIT_S) -> subprocess.CompletedProcess[str]:
        """Runs `source` as that user, in a folder of its own."""
        command = [
            "runuser",
            "-u",
            self.name,
            "--",
            "env",
            "-i",
            f"PATH={os.environ['PATH']}",
            f"PYTHONPATH={self.folder / 'lib'}",
        ]
        command += [self.python, "-W", "error", "-c", PREAMBLE + textwrap.dedent(source)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, cwd=self.folder / "home", check=False
        )


@contextmanager
def ordinary_user() -> Iterator[User]:
    """Makes a user without rights, and removes it afterwards."""
    if os.geteuid() != 0:
        pytest.skip("making a user is root's")
    name = f"verify{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="verify-user-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        ignored = shutil.ignore_patterns("__pycache__")
        for package in ("verifier", "scapy"):
            shutil.copytree(_source_of(package), folder / "lib" / package, ignore=ignored)
        subprocess.run(
            ["useradd", "--no-create-home", "--home-dir", str(folder / "home"), "--shell", "/bin/sh", name], check=True
        )
        try:
            (folder / "home").mkdir()
            entry = pwd.getpwnam(name)
            os.chown(folder / "home", entry.pw_uid, entry.pw_gid)
            yield User(name, _python_for(name), folder)
        finally:
            subprocess.run(["userdel", name], check=True)


def _source_of(package: str) -> Path:
    if package == "verifier":
        return ROOT / package
    found = __import__(package).__file__
    assert found is not None
    return Path(found).parent


def _python_for(name: str) -> str:
    """A Python that this user can start and that the package runs on: ours may lie where only root may go."""
    check = "import sys; sys.exit(sys.version_info < (3, 10))"
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = ["runuser", "-u", name, "--", candidate, "-c", check]
        if subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False).returncode == 0:
            return candidate
    pytest.skip("no Python 3.10 or newer that an ordinary user can start")
