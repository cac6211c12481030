"""Runs tshark over a saved capture, by way of pyshark: pyshark finds the program, tells its version, and knows how it
is told what to do.

Its packet objects are not used. Measured on 40,000 packets of HTTP, pyshark 0.6, tshark 4.0.17: an object for each
packet takes pyshark 3.0 ms by way of XML and 0.57 ms by way of JSON, tshark itself 0.045 ms with the 20 fields printed
that are needed here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from threading import Timer

from verifier.errors import VerifierError
from verifier.opinion import streams
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import IO, TypeVar

    Outcome = TypeVar("Outcome")

PYSHARK = "pyshark>=0.6,<0.7"

PREFERENCES = {
    "tcp.desegment_tcp_streams": "TRUE",
    "tcp.reassemble_out_of_order": "FALSE",
    "tcp.analyze_sequence_numbers": "TRUE",
    "tcp.check_checksum": "FALSE",
    "ip.defragment": "TRUE",
    "http.desegment_headers": "TRUE",
    "http.desegment_body": "TRUE",
}
"""tshark's own defaults, whatever this user has set in Wireshark."""

FAULTS = "tcp.bogus_header_length || tcp.short_segment || ip.bogus_ip_version || _ws.malformed"
"""The display filter of frames with whose TCP head, or the one under it, tshark finds fault."""
PIECES = "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr"
"""The display filter of pieces of a datagram."""
ENCRYPTED = "wg || esp || dtls || wlan.fc.protected == 1"
"""The display filter of frames in which nobody sees TCP who has no secrets."""

LEAST_LIMIT_S = 60.0
BYTES_A_SECOND = 200_000
"""The slowest that tshark may be, above the least limit: it reads 4 to 14 MB a second here."""


class Program(NamedTuple):
    path: str
    version: str


class Wish(NamedTuple):
    """How tshark shall read a file, where not as by default."""

    preferences: Mapping[str, str] = {}
    decode_as: Mapping[str, str] = {}
    """`{"tcp.port==5060": "http"}`."""
    fields: tuple[str, ...] = streams.FIELDS
    display_filter: str = ""
    """Of frames that shall be printed; all where empty."""
    disabled: Collection[str] = ()
    """Protocols that shall not be dissected."""


class Unread(Exception):
    """tshark can't read this file; the message says why."""


def find() -> Program:
    """Where tshark is, and which; VerifierError with the command that installs what is missing."""
    try:
        from pyshark.tshark import tshark
    except ImportError as error:
        raise VerifierError(
            f"--cross-check runs tshark by way of pyshark, which can't be imported: {error}",
            f"{sys.executable} -m pip install '{PYSHARK}'",
        ) from error
    from configparser import Error

    try:
        path = tshark.get_process_path()
        return Program(path, str(tshark.get_tshark_version(path)))
    except tshark.TSharkNotFoundException as error:
        from verifier.doctor import installing

        raise VerifierError("--cross-check needs tshark, which is not installed", installing("tshark")) from error
    except Error as error:
        # pyshark takes any config.ini of the current folder for its own.
        reason = str(error).partition("\n")[0]
        raise VerifierError(f"pyshark reads ./config.ini: {reason}", "run this in another folder") from error
    except (tshark.TSharkVersionException, OSError, UnicodeDecodeError, subprocess.CalledProcessError) as error:
        raise VerifierError(f"tshark does not run: {error}", "try: tshark --version") from error


def read(program: Program, path: str, wish: Wish = Wish()) -> streams.Seen:  # noqa: B008 - immutable
    """What tshark sees in the file. `Unread` where that is nothing because it can't read it, or can't end."""
    seen, problem = _run(command(program, path, wish), path, streams.read)
    if problem and not seen.packets:
        raise Unread(problem)
    return seen


def payloads(program: Program, path: str, frames: Collection[int]) -> dict[int, bytes]:
    """The TCP payload of each of these frames, as tshark has it."""
    only = " || ".join(f"frame.number == {frame}" for frame in frames)
    wish = Wish(fields=("frame.number", "tcp.payload"), display_filter=only)
    return _run(command(program, path, wish), path, _payloads)[0]


def wholly(program: Program, path: str, streams: Collection[int], sign: str) -> set[int]:
    """Of these streams, those to all frames of which this display filter applies; none where tshark doesn't know it."""
    only = " || ".join(f"tcp.stream == {number}" for number in streams)
    applies, others = (
        Wish(fields=("frame.number", "tcp.stream"), display_filter=f"({only}) && {chosen}")
        for chosen in (f"({sign})", f"!({sign})")
    )
    found = _run(command(program, path, applies), path, _streams)[0]
    return found and found - _run(command(program, path, others), path, _streams)[0]


def faulty_heads(program: Program, path: str, frames: Collection[int]) -> set[int]:
    """Of these frames, those in which tshark gets no further than a TCP head with which it finds fault."""
    only = " || ".join(f"frame.number == {frame}" for frame in frames)
    wish = Wish(fields=("frame.number", "frame.protocols"), display_filter=f"({only}) && ({FAULTS})")
    return _run(command(program, path, wish), path, _at_tcp)[0]


def _at_tcp(lines: Iterable[str]) -> set[int]:
    cells = (line.strip().split("\t") for line in lines)
    return {int(cell[0]) for cell in cells if cell[0].isdecimal() and cell[-1].endswith(":tcp")}


def _streams(lines: Iterable[str]) -> set[int]:
    cells = (line.strip().partition("\t")[2] for line in lines)
    return {int(number) for cell in cells for number in cell.split(",") if number.isdecimal()}


class Layers(NamedTuple):
    """What tshark finds in a frame."""

    names: list[str]
    """Protocols, from the outermost."""
    cut: bool
    """Whether the capture has only the frame's beginning."""


def layers(program: Program, path: str, frames: Collection[int]) -> dict[int, Layers]:
    """The protocols that tshark finds in each of these frames."""
    only = " || ".join(f"frame.number == {frame}" for frame in frames)
    wish = Wish(fields=("frame.number", "frame.cap_len", "frame.len", "frame.protocols"), display_filter=only)
    return _run(command(program, path, wish), path, _layers)[0]


def _layers(lines: Iterable[str]) -> dict[int, Layers]:
    found = {}
    for line in lines:
        cells = line.strip().split("\t")
        if len(cells) == 4 and cells[0].isdecimal():
            found[int(cells[0])] = Layers(cells[3].split(":"), cells[1] != cells[2])
    return found


def _payloads(lines: Iterable[str]) -> dict[int, bytes]:
    found = {}
    for line in lines:
        frame, _, octets = line.strip().partition("\t")
        if frame.isdecimal():
            found[int(frame)] = bytes.fromhex(octets.rpartition(",")[2].replace(":", ""))
    return found


def _run(words: list[str], path: str, take: Callable[[Iterable[str]], Outcome]) -> tuple[Outcome, str]:
    """What `take` makes of tshark's lines, and what went wrong; empty where nothing did."""
    limit = LEAST_LIMIT_S + os.path.getsize(path) / BYTES_A_SECOND
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        late = Timer(limit, process.kill)
        late.start()
        try:
            assert process.stdout
            outcome = take(process.stdout)
            status = process.wait()
        finally:
            in_time = late.is_alive()
            late.cancel()
            process.kill()
            late.join()
        if not in_time:
            raise Unread(f"tshark was stopped after {limit:.0f} s")
        if status < 0:
            raise Unread(f"tshark was ended by signal {-status}")
        return outcome, f"tshark can't read it: {_last_words(said)}" if status else ""


def command(program: Program, path: str, wish: Wish) -> list[str]:
    """The words that have tshark print these fields of each frame."""
    from asyncio import new_event_loop

    from pyshark import FileCapture

    fields = [word for field in wish.fields for word in ("-e", field)]
    loop = new_event_loop()  # given one, pyshark does not look for that of the process, which is going out of use
    try:
        capture = FileCapture(
            path,
            keep_packets=False,
            eventloop=loop,
            override_prefs={**PREFERENCES, **wish.preferences},
            decode_as=dict(wish.decode_as),
            custom_parameters=["-n", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,", *fields],
        )
        chosen = ["-Y", wish.display_filter] if wish.display_filter else []
        chosen += [word for name in wish.disabled for word in ("--disable-protocol", name)]
        return [program.path, *capture.get_parameters(), *chosen]
    finally:
        loop.close()


def _last_words(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read(1 << 16).decode("utf-8", "replace").splitlines()
    words = [line for line in lines if line.strip() and not line.startswith("Running as user")]
    return words[-1].removeprefix("tshark: ") if words else "it does not say why"
