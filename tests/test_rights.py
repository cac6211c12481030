"""Who may capture, and the command that is named to those who may not."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apart import User, ordinary_user

from verifier.sources import rights


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    with ordinary_user() as made:
        yield made


def after_root(command: str) -> list[str]:
    """The words that root would run."""
    words = shlex.split(command)
    return words[1:] if words[0] == "sudo" else shlex.split(words[2])


def test_an_installed_command_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "my bin" / "verify"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    typed = ["http", "http://127.0.0.1:8080/?a=1&b=2", "-n", "3", "--header", "X: it's"]
    expected = [str(command), *typed]
    assert after_root(rights.elevated([str(command), *typed])) == expected
    monkeypatch.chdir(tmp_path)
    assert after_root(rights.elevated(["my bin/verify", *typed])) == expected
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    assert after_root(rights.elevated(["verify", *typed])) == expected


def test_a_module_is_named_by_its_python() -> None:
    package = Path(rights.__file__).parent.parent
    expected = [sys.executable, "-m", "verifier", "demo"]
    assert after_root(rights.elevated([str(package / "__main__.py"), "demo"])) == expected
    assert after_root(rights.elevated(["-c", "demo"])) == expected
    assert after_root(rights.elevated([])) == expected[:3]


@pytest.mark.parametrize("sudo", [True, False])
def test_with_sudo_and_without(sudo: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sudo:
        (tmp_path / "sudo").write_text("#!/bin/sh\n")
        (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = rights.elevated(["/opt/verify", "demo"])
    assert command == ("sudo /opt/verify demo" if sudo else "su -c '/opt/verify demo'")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may surely capture")
def test_root_may() -> None:
    assert rights.may_capture()
    assert rights.refusal() is None
    rights.require()


def test_an_ordinary_user_is_told_the_command(user: User) -> None:
    done = user.run(
        """
        sys.argv = ["/opt/verify", "http", "http://127.0.0.1/"]
        from verifier.errors import VerifierError
        from verifier.sources import rights
        from verifier.sources.live import CaptureOptions, LiveCapture
        print(rights.may_capture())
        for attempt in (rights.require, LiveCapture(CaptureOptions("lo", "a.pcapng"), print).open):
            try:
                attempt()
            except VerifierError as error:
                print(error.problem)
                print(error.mend)
        """
    )
    assert done.stderr == ""
    may, *told = done.stdout.splitlines()
    assert may == "False"
    assert told[0] == told[2] == "this user may not capture packets"
    for mend in (told[1], told[3]):
        assert "/opt/verify http http://127.0.0.1/" in mend
        assert mend.startswith("run `su")
        assert "setcap" not in mend, "not to the Python that all users have"
    assert list((user.folder / "home").iterdir()) == [], "nothing is left behind"


CAN_CAPTURE = "from verifier.sources import rights; print(rights.may_capture()); print(rights.lasting())"


def test_a_lasting_right_for_one_user_and_one_environment(user: User, tmp_path: Path) -> None:
    """What is printed, done: the user's half by the user, root's by root."""
    if shutil.which("setcap") is None:
        pytest.skip("setcap is not installed")
    home = user.folder / "home"
    made = user.run(f"run('{user.python} -m venv --without-pip mine')")
    if made.returncode:
        pytest.skip(f"that Python makes no virtual environments: {made.stderr}")
    python = str(home / "mine" / "bin" / "python")
    alone = ["runuser", "-u", user.name, "--"]
    ask = [*alone, "env", f"PYTHONPATH={user.folder / 'lib'}", python, "-c", CAN_CAPTURE]
    may, command = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert may == "False"
    copy, give = command.split(" && ")
    subprocess.run([*alone, *shlex.split(copy)], timeout=60, check=True)
    given = subprocess.run(after_root(give), capture_output=True, timeout=60, check=False)
    if given.returncode:
        pytest.skip(f"this file system keeps no capabilities: {given.stderr!r}")
    may, command = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert may == "True"
    assert command.startswith(f"chmod 700 {python} && ")
    assert stat.S_IMODE(os.stat(python).st_mode) == 0o700
    with pytest.raises(subprocess.CalledProcessError):  # nobody else
        subprocess.run(["runuser", "-u", "nobody", "--", python, "-c", ""], capture_output=True, timeout=60, check=True)
