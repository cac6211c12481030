"""May this user capture here? And where not, the exact command that may.

A packet socket needs CAP_NET_RAW in the user namespace that owns the network (packet(7)). The question is put to the
kernel by opening one, since capabilities alone do not tell: a container's seccomp filter may forbid what they allow.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Sequence

from verifier.errors import VerifierError


def may_capture() -> bool:
    """Whether a packet socket can be opened now."""
    return refusal() is None


def refusal() -> OSError | None:
    """What the kernel says against opening a packet socket; None where it lets us."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0).close()
    except OSError as error:
        return error
    return None


def require() -> None:
    """VerifierError, with the command that mends it, where this user may not capture."""
    problem = refusal()
    if problem is not None:
        raise denied("this user may not capture packets") from problem


def denied(problem: str) -> VerifierError:
    """The error for `problem` that names how to start this very command with rights."""
    for_good = lasting()
    besides = f", or once and for all, for you and this environment alone: `{for_good}`" if for_good else ""
    return VerifierError(problem, f"run `{elevated(sys.argv)}`{besides}")


def elevated(argv: Sequence[str]) -> str:
    """The command line that runs `argv` again as root, with paths that hold there too: root's PATH lacks a virtual
    environment."""
    program = argv[0] if argv else ""
    if os.path.basename(program) == "__main__.py":
        package = os.path.basename(os.path.dirname(os.path.abspath(program)))
        start = [sys.executable, "-m", package]
    else:
        found = program if os.sep in program else shutil.which(program)
        start = [os.path.abspath(found)] if found else [sys.executable, "-m", "verifier"]
    return as_root(shlex.join([*start, *argv[1:]]))


def lasting() -> str:
    """The command that gives the right to capture for good; empty where none does without harm.

    It is given to a file, and so to whoever may start that. A Python that others start, too, is not to have it: this
    is for a virtual environment of this user's own, whose Python, mostly a link to everybody's, becomes a copy that
    nobody else can start (capabilities(7), file capabilities; they are not passed on to programs that it starts).
    """
    python = sys.executable
    if not python or sys.prefix == sys.base_prefix or not os.access(os.path.dirname(python), os.W_OK):
        return ""
    if os.path.islink(python):
        alone = ["install", "-m", "700", os.path.realpath(python), python]
    elif os.stat(python).st_uid == os.geteuid():
        alone = ["chmod", "700", python]
    else:
        return ""
    return f"{shlex.join(alone)} && {as_root(shlex.join(['setcap', 'cap_net_raw+ep', python]))}"


def as_root(command: str) -> str:
    """The command line that runs this one as root. A system without sudo has su."""
    return f"sudo {command}" if shutil.which("sudo") else f"su -c {shlex.quote(command)}"
