"""A network of one's own, for a run that needs nothing from outside: an ordinary user may capture there.

A new user namespace gives this process every right over a new network namespace in it (user_namespaces(7)), and no
right anywhere else. The user and group keep their numbers, so files that are saved stay theirs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from verifier.errors import VerifierError
from verifier.sources import rights

# include/uapi/linux/sched.h, sockios.h, if.h
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_REQUEST = struct.Struct("16sH14x")


def enter() -> None:
    """Moves this process into user and network namespaces of its own, with loopback up. There is no way back.

    Only while the process has a single thread. VerifierError, naming the command that does without, where the kernel
    refuses.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        _write("/proc/self/uid_map", f"{user} {user} 1")
        # Without this a user could drop a group that a file denies access to, so the kernel wants it before the group
        # map (CVE-2014-8989).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/gid_map", f"{group} {group} 1")
        _loopback_up()
    except OSError as error:
        raise rights.denied(f"the kernel refuses this user a network namespace: {_reason(error)}") from error
    refused = rights.refusal()
    if refused is not None:
        raise rights.denied(
            f"this user may not capture in a network namespace of its own: {refused.strerror}"
        ) from refused


def trial() -> VerifierError | None:
    """What `enter` would say, tried in a child process; None where it would work. Only while the process has a single
    thread."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter()
            status = 0
        except VerifierError as error:
            os.write(writing, error.problem.encode())
        finally:
            # Not back into the parent's code, whatever happened.
            os._exit(status)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as said:
        problem = said.read()
    _, status = os.waitpid(child, 0)
    return None if status == 0 else rights.denied(problem or "this user may not make a network namespace")


def _unshare(flags: int) -> None:
    if hasattr(os, "unshare"):
        os.unshare(flags)
        return
    # Before Python 3.12.
    import ctypes

    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    """In one write, as the kernel wants of these files."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        _, flags = _REQUEST.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, _REQUEST.pack(b"lo", 0)))
        fcntl.ioctl(control, _SIOCSIFFLAGS, _REQUEST.pack(b"lo", flags | _IFF_UP))


def _reason(error: OSError) -> str:
    """In words that help: the kernel has few numbers for this and they read oddly."""
    if error.errno == errno.ENOSPC:
        return "their number is used up (sysctl user.max_user_namespaces, user.max_net_namespaces)"
    if error.errno == errno.EINVAL:
        return "this process has several threads, or the kernel no user namespaces"
    return error.strerror or str(error)
