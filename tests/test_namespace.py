"""A network of one's own: an ordinary user captures there, and is told what to do where the kernel refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from apart import User, ordinary_user

from verifier.sources import namespace


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    with ordinary_user() as made:
        yield made


def test_an_ordinary_user_captures_in_it(user: User) -> None:
    done = user.run(
        """
        import os, socket
        from verifier.sources import namespace, rights
        before = (os.getuid(), os.getgid(), rights.may_capture())
        namespace.enter()
        print(before[:2] == (os.getuid(), os.getgid()), before[2], rights.may_capture())
        print([name for _, name in socket.if_nameindex()])
        from verifier.sources.interface import leading_to
        from verifier.sources.live import CaptureOptions, LiveCapture
        for host in ("127.0.0.1", "::1"):
            interface = leading_to(host).name
            with LiveCapture(CaptureOptions(interface, "own.pcapng"), lambda frames: None) as capture:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                with socket.create_server((host, 0), family=family) as server:
                    capture.allow(server.getsockname()[1])
                    for _ in range(5):
                        with socket.create_connection(server.getsockname()[:2]) as client:
                            client.sendall(b"x")
                            peer, _ = server.accept()
                            peer.recv(1)
                            peer.close()
                source, facts = capture.drain()
            print(interface, facts.opened, facts.drained, source.dropped, source.packets >= 5 * 6)
        """
    )
    assert done.stderr == ""
    same, interfaces, *captures = done.stdout.splitlines()
    assert same == "True False True"
    assert "'lo'" in interfaces
    assert captures == ["lo True True 0 True"] * 2
    saved = user.folder / "home" / "own.pcapng"
    assert saved.stat().st_uid == saved.parent.stat().st_uid
    if shutil.which("capinfos"):
        subprocess.run(["capinfos", str(saved)], check=True, capture_output=True, timeout=60)


def test_root_may_enter_one_too() -> None:
    if os.geteuid() != 0:
        pytest.skip("root's")
    child = os.fork()
    if child == 0:
        try:
            namespace.enter()
            os._exit(0 if os.getuid() == 0 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


REFUSED = """
        sys.argv = ["/opt/verify", "demo"]
        from verifier.errors import VerifierError
        from verifier.sources import namespace
        try:
            namespace.enter()
        except VerifierError as error:
            print(error.problem)
            print(error.mend)
        trial = namespace.trial()
        print(trial.problem if trial else "would work")
"""


def test_threads_are_in_the_way(user: User) -> None:
    done = user.run(
        """
        import threading
        end = threading.Event()
        threading.Thread(target=end.wait, daemon=True).start()
        sys.argv = ["/opt/verify", "demo"]
        from verifier.errors import VerifierError
        from verifier.sources import namespace
        try:
            namespace.enter()
        except VerifierError as error:
            print(error.problem)
            print(error.mend)
        end.set()
        """
    )
    problem, mend = done.stdout.splitlines()
    assert problem.startswith("the kernel refuses this user a network namespace: this process has several threads")
    assert "/opt/verify demo" in mend


def test_a_kernel_that_allows_none(user: User) -> None:
    """The sysctl belongs to the user namespace that it counts in, so one made for the test has it at nought."""
    done = user.run(
        """
        from verifier.sources import namespace
        namespace.enter()
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
        """
        + REFUSED
    )
    problem, mend, trial = done.stdout.splitlines()
    assert "their number is used up (sysctl user.max_user_namespaces" in problem
    assert "/opt/verify demo" in mend
    assert trial == problem


def test_a_trial_changes_nothing_here(user: User) -> None:
    done = user.run(
        """
        import os
        from verifier.sources import namespace, rights
        own = os.readlink("/proc/self/ns/net")
        print(namespace.trial())
        print(own == os.readlink("/proc/self/ns/net"), rights.may_capture())
        """
    )
    assert done.stdout.splitlines() == ["None", "True False"]
