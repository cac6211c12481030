"""`verify open`: a capture in Wireshark, filtered to the packets that tell of handshakes, closes and requests.

What to start is decided by a pure function of the surroundings; starting it is the other half. The window lives on when
`verify` ends, and nobody waits for it, except for the moment in which a display that can't be opened shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from verifier.errors import VerifierError
from verifier.spelling import Style, file_name, file_word, safe, shell_word
from verifier.values import NamedTuple

FILTER = (
    "tcp.flags.syn==1 || (tcp.seq==1 && tcp.ack==1 && tcp.len==0) || tcp.flags.fin==1 || tcp.flags.reset==1"
    " || http.request || http.response || tls.handshake.type==1"
)
"""Display filter. Sequence and acknowledgement 1, as Wireshark counts them, are the ACK that completes a handshake;
type 1 is the ClientHello, the first bytes of a TLS connection (RFC 8446, 4)."""

_FIRST_LIGHT_S = 1.0
"""How long a window that can't open may take to say so: measured 0.05 to 0.3 s, Wireshark 4.0 with a dead DISPLAY."""
_APPLICATION = "/Applications/Wireshark.app"
_DISPLAYS = ("WAYLAND_DISPLAY", "DISPLAY")


_FIRST_LOOK = 1 << 16
"""Bytes read of a file to see that it is a capture."""
_UNPACKERS = {".xz": "xz -dk", ".bz2": "bzip2 -dk"}
"""Compressions that Wireshark does not know (4.0.17; it does know gzip, zstd and lz4), and what unpacks them."""


class Surroundings(NamedTuple):
    """What decides whether a window can be opened."""

    display: bool
    program: str | None
    """Path of Wireshark, on macOS of its application; None where it is not installed."""


class Opening(NamedTuple):
    command: tuple[str, ...]
    """What opens the capture, as a list of words."""
    obstacle: str
    """Why it can't be started from here, for the reader; empty where it can."""


def opening(path: str, around: Surroundings) -> Opening:
    """How `path`, an absolute one, is opened. Without a program or a display the command is for another machine."""
    words = ("-r", path, "-Y", FILTER)
    if around.program is None:
        return Opening(("wireshark", *words), "Wireshark is not installed here")
    if around.program.endswith(".app"):
        return Opening(("open", "-n", "-a", around.program, "--args", *words), "")
    return Opening(("wireshark", *words), "" if around.display else "there is no display here")


def outcome(opening: Opening, obstacle: str, style: Style) -> str:
    """What to tell the user: that there is a window, or what to do by hand where an obstacle stood in the way."""
    if not obstacle:
        return "Opened in Wireshark, filtered to handshakes, closes and requests.\n"
    command = " ".join(shell_word(word, style) for word in opening.command)
    return (
        f"No window: {safe(obstacle, style)}. Where there is a display and Wireshark:\n\n"
        f"  {command}\n\n"
        f"Or open the file in Wireshark and set the display filter:\n\n"
        f"  {FILTER}\n"
    )


def look_around() -> Surroundings:
    program = shutil.which("wireshark")
    if sys.platform == "darwin" and os.path.isdir(_APPLICATION):
        program = _APPLICATION
    return Surroundings(bool(display()), program)


def display() -> str:
    """What shows windows here, for the reader; empty where nothing does."""
    if sys.platform == "darwin":
        return "that of macOS"
    return next((f"{name}={os.environ[name]}" for name in _DISPLAYS if os.environ.get(name)), "")


def checked(path: str) -> str:
    """The absolute path of a capture that Wireshark can read.

    What it can't it would say itself, in a window of its own, after it has come up.
    """
    from verifier.sources import file

    name = file_name(path)
    if path == file.STANDARD_INPUT:
        raise VerifierError("standard input can't be opened in Wireshark", "save it to a file first")
    absolute = os.path.abspath(path)
    if os.path.isdir(absolute):
        raise VerifierError(f"{name}: this is a folder", "name one capture in it")
    if os.path.exists(absolute) and not os.path.isfile(absolute):
        raise VerifierError(f"{name}: no regular file", "save what it gives to a file first")
    try:
        feed = file.Feed(path, file.USUAL._replace(chunk=_FIRST_LOOK))
    except file.ReaderMissing:
        return absolute  # not by us, but Wireshark may read it
    feed.close()
    if feed.suffix in _UNPACKERS:
        mend = f"unpack it first: {_UNPACKERS[feed.suffix]} {file_word(path)}"
        raise VerifierError(f"{name}: Wireshark does not unpack {feed.suffix}", mend)
    return absolute


def start(command: tuple[str, ...]) -> str:
    """Start it in a session of its own. Returns why there is no window; empty where nothing speaks against one."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )
        except OSError as error:
            return f"{command[0]} could not be started: {error.strerror}"
        try:
            status = process.wait(_FIRST_LIGHT_S)
        except subprocess.TimeoutExpired:
            process.returncode = 0  # nobody will wait for it: spares Popen the warning that it still runs
            return ""
        if status == 0:
            return ""
        said.seek(0)
        first = said.readline().decode("utf-8", "replace")
    return first.rpartition(" -- ")[2].strip() or f"{command[0]} ended with status {status}"
