"""What this machine lets `verify` do, as values: one row for each thing it needs, with the command that mends it.
Somebody else prints them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator

from verifier import wireshark
from verifier.errors import VerifierError
from verifier.sources import namespace, rights
from verifier.values import NamedTuple

_TOOL_S = 10.0
"""How long another program may take to say its version. Here tshark takes 0.3 s."""

_INSTALLERS = (
    ("apt-get", "apt-get install -y {}"),
    ("dnf", "dnf install -y {}"),
    ("zypper", "zypper install -y {}"),
    ("pacman", "pacman -S --noconfirm {}"),
    ("apk", "apk add {}"),
)
_PACKAGES = {
    "tshark": {"dnf": "wireshark-cli", "zypper": "wireshark", "pacman": "wireshark-cli"},
    "wireshark": {"pacman": "wireshark-qt"},
}


class Row(NamedTuple):
    name: str
    ok: bool
    detail: str
    mend: str
    """A command, or a sentence where there is none, or several, each on a line; empty where all is well."""
    needed: bool
    """Whether `verify` can't do its main job without it."""


def examine() -> tuple[Row, ...]:
    """All checks. Only while the process has a single thread: one of them tries a namespace in a child process."""
    return tuple(_checks())


def able(checks: tuple[Row, ...]) -> bool:
    """Whether everything is there that the main job needs."""
    return all(check.ok for check in checks if check.needed)


def _checks() -> Iterator[Row]:
    yield _platform()
    refused = rights.refusal()
    # The child comes before anything here can have started a thread.
    alone = namespace.trial()
    yield _capture(refused, alone)
    yield _namespace(alone)
    if refused is None:
        yield _buffer()
    yield _engine()
    for package in ("scapy", "requests"):
        yield _package(package)
    yield _tshark()
    yield _pyshark()
    yield _wireshark()
    yield _display()


def _platform() -> Row:
    right = sys.platform == "linux"
    detail = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return Row(
        "system", right, detail, "" if right else "live capture is for Linux; `verify analyze` works anywhere", True
    )


def _capture(refused: OSError | None, alone: VerifierError | None) -> Row:
    if refused is None:
        return Row("capture", True, "this user may capture on every interface", "", True)
    mend = rights.elevated(sys.argv[:1])
    detail = f"this user may not capture: {refused.strerror}"
    if alone is None:
        detail += "; `verify demo` runs in a network of its own"
    lasting = rights.lasting()
    if lasting:
        detail += ". As root for once, or for good, for you and this environment alone:"
        mend += f"\n{lasting}"
    return Row("capture", False, detail, mend, needed=alone is not None)


def _namespace(alone: VerifierError | None) -> Row:
    if alone is None:
        return Row("own network", True, "the demo can run in user and network namespaces of its own", "", False)
    return Row("own network", False, alone.problem, rights.elevated(sys.argv[:1]), False)


def _buffer() -> Row:
    from verifier.sources.filter import Keep, Wanted, program
    from verifier.sources.interface import interfaces
    from verifier.sources.live import FULL_BUFFER_BYTES
    from verifier.sources.ring import PacketRing, link_type_of

    name, wanted = "capture buffer", FULL_BUFFER_BYTES >> 20
    try:
        loopback = next((each for each in interfaces() if each.loopback and each.up), None)
        if loopback is None:
            return Row(name, False, "loopback is down", "ip link set lo up", True)
        nothing = Wanted(link_type_of(loopback), Keep.FULL, frozenset(), 0, outgoing=False)
        ring = PacketRing(loopback, FULL_BUFFER_BYTES, program(nothing))
    except (OSError, ImportError, VerifierError) as error:
        return Row(name, False, f"no packet ring on loopback: {error}", "", True)
    size = ring.bytes >> 20
    ring.close()
    if size < wanted:
        return Row(
            name,
            False,
            f"{size} MiB; the kernel has no memory for {wanted}",
            "free some memory, or expect drops under load",
            False,
        )
    return Row(name, True, f"{size} MiB shared with the kernel", "", True)


def _engine() -> Row:
    try:
        from verifier.wire import engine
    except ImportError as error:
        return Row("engine", False, f"can't be loaded: {error}", "install the package again", True)
    if engine.COMPILED:
        return Row("engine", True, f"compiled ({os.path.basename(engine.__file__)})", "", False)
    mend = f"install a C compiler ({installing('gcc')}) and the package again"
    return Row("engine", False, "not compiled: right, but slow on large captures", mend, False)


def _package(name: str) -> Row:
    from importlib import metadata

    try:
        return Row(name, True, metadata.version(name), "", True)
    except metadata.PackageNotFoundError:
        return Row(name, False, "not installed", f"{sys.executable} -m pip install {name}", True)


def _pyshark() -> Row:
    from verifier.opinion.tshark import PYSHARK

    row = _package("pyshark")._replace(needed=False)
    if row.ok:
        return row
    need = "not installed; `verify analyze --cross-check` needs it"
    return row._replace(detail=need, mend=f"{sys.executable} -m pip install '{PYSHARK}'")


def _tshark() -> Row:
    found = shutil.which("tshark")
    if found is None:
        need = "not installed; `verify analyze --cross-check` needs it"
        return Row("tshark", False, need, installing("tshark"), False)
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=_TOOL_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return Row("tshark", False, f"{found} does not run: {error}", installing("tshark"), False)
    return Row("tshark", True, f"{said.partition(chr(10))[0].rstrip('.')}, {found}", "", False)


def _wireshark() -> Row:
    found = wireshark.look_around().program
    if found is None:
        return Row("wireshark", False, "not installed; `verify open` needs it", installing("wireshark"), False)
    return Row("wireshark", True, found, "", False)


def _display() -> Row:
    display = wireshark.display()
    if display:
        return Row("display", True, display, "", False)
    return Row(
        "display", False, "none; `verify open` prints the command instead", "log in with a desktop, or `ssh -X`", False
    )


def installing(program: str) -> str:
    """The command that installs `program` here."""
    for installer, command in _INSTALLERS:
        if shutil.which(installer):
            start = "" if os.geteuid() == 0 else "sudo "
            return start + command.format(_PACKAGES.get(program, {}).get(installer, program))
    return f"install {program} with the system's package manager"
