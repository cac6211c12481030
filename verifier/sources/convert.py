"""Captures in formats that few programs write: Wireshark's `editcap` turns them into pcapng, through a pipe, as they
are read. What it can't read from front to back is put into a temporary file first, where it isn't a file as it is.

Some are told by the bytes they begin with; others only by Wireshark's `captype`, which is asked where the user named
the file.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from codecs import getincrementaldecoder

from verifier.sources.file import NoCapture, Plain, ReaderMissing, Unopened
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from verifier.sources.file import Stream

AMOUNT = 1 << 18
"""Bytes handed to editcap at once."""
_ENGLISH = {**os.environ, "LC_ALL": "C"}
INSTALL = "install Wireshark's command-line tools (Debian: apt-get install wireshark-common)"
NO_KIND = ("unknown", "mime", "json", "mp4", "rfc7468", "pcap", "nsecpcap", "pcapng")
"""What captype calls files that are of no use here: `mime` are pictures, programs and the like, `rfc7468` certificates.
A file of one byte is `mp4` to it."""


TEXTS = frozenset(
    {
        "3gpp32423", "3gpp_log", "ascend", "busmaster", "candump", "cosine", "dct2000", "dct3trace", "dsna",
        "eri_enb_log", "etherwatch", "iseries_ascii", "k12text", "logcat-brief", "logcat-long", "logcat-process",
        "logcat-tag", "logcat-thread", "logcat-threadtime", "logcat-time", "netscreen", "systemd_journal", "tcpiptrace",
        "toshiba",
    }
)  # fmt: skip
"""The formats that are text, as captype calls them. It takes other text for binary ones (vwr80211, camins...), which
it guesses from a few bytes here and there: 300 of 15,800 sources and documents of a Debian system."""
_AS_TEXT = 4096


class Kind(NamedTuple):
    name: str
    """As editcap and captype call it."""
    what: str
    begins: tuple[bytes, ...] = ()
    ethernet: bool = False
    """It leaves the link type to each packet, of which pcapng knows nothing: Ethernet has to be assumed."""
    index_last: bool = False
    """Where its packets are stands behind them: it can't be read through a pipe (editcap 4.6 does not try)."""


KINDS = (
    Kind("snoop", "a snoop capture", (b"snoop\x00\x00\x00",)),
    Kind("netmon1", "a Network Monitor capture", (b"RTSS",), index_last=True),
    Kind("netmon2", "a Network Monitor capture", (b"GMBU",), index_last=True),
    Kind("visual", "a Visual Networks capture", (b"\x05VNF",)),
    Kind("ngsniffer", "a Sniffer capture", (b"TRSNIFF data",)),
    Kind("ngwsniffer", "a NetXray or Sniffer capture", (b"XCP\x00", b"VL\x00\x00")),
    Kind("lanalyzer", "a LANalyzer capture", (b"\x01\x10\x4c\x00\x01\x05Trace",)),
    Kind("observer", "an Observer capture", (b"ObserverPktBuffe",)),
    Kind("iptrace", "an iptrace capture", (b"iptrace 1.0", b"iptrace 2.0")),
    Kind("5views", "a 5View capture", (b"\xaa\xaa\xaa\xaa",)),
    Kind("nettl", "an nettl capture", (b"TR\x00d\x00",)),
    Kind(
        "lcap", "an Ixia capture", (b"\x1c\x00\x01\xac", b"\xac\x01\x00\x1c", b"\x1c\x00\x01\xab", b"\xab\x01\x00\x1c")
    ),
    Kind("rf5", "a K12 capture", (b"\x00\x00\x02\x00\x12\x05\x00\x10",)),
    Kind("k12text", "a K12 text capture", (b"+---------+---------------+----------+"[:24],), True),
    Kind("erf", "an ERF capture", (), True),
    Kind("commview-ncf", "a CommView capture", (), True),
    Kind("commview-ncfx", "a CommView capture", (), True),
)
"""Magic numbers as in Wireshark's wiretap library, one file for each format."""


class Wanted(NamedTuple):
    """The file that is to be converted."""

    path: str
    shown: str
    head: bytes
    """Its first bytes, unpacked; a stream goes on behind them."""
    guess: bool
    """Whether captype may be asked."""


def kind_of(wanted: Wanted) -> Kind:
    """Which format it is. NoCapture where it is none."""
    for kind in KINDS:
        if kind.begins and wanted.head.startswith(kind.begins):
            return kind
    name = _guessed(wanted.path) if wanted.guess and os.path.isfile(wanted.path) else "unknown"
    if not name:
        raise no_capture(wanted, f"if it is a capture that Wireshark knows, {INSTALL}")
    if name in NO_KIND or (name not in TEXTS and _is_text(wanted.path)):
        raise no_capture(wanted)
    return next((kind for kind in KINDS if kind.name == name), Kind(name, f"a capture of the format {name}"))


def no_capture(
    wanted: Wanted, mend: str = "pcap and pcapng are read; write one with: tcpdump -i lo -w capture.pcap"
) -> NoCapture:
    return NoCapture(f"{wanted.shown}: not a capture (it begins with {wanted.head[:8].hex(' ')})", mend)


def _is_text(path: str) -> bool:
    """Whether the file begins as text does: UTF-8 without control characters but those for space and colour."""
    with open(path, "rb") as file:
        begin = file.read(_AS_TEXT)
    try:
        # The end may be inside a character.
        words = getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\n\v\f\r\x1b\ufeff" for letter in words)


def _guessed(path: str) -> str:
    """captype's word for the file; empty where it is not installed."""
    try:
        done = subprocess.run(("captype", _no_option(path)), capture_output=True, check=False, env=_ENGLISH)
    except FileNotFoundError:
        return ""
    # Behind the name of the file, which need not be UTF-8.
    return done.stdout.strip().rpartition(b": ")[2].decode("ascii", "replace") or "unknown"


def _no_option(path: str) -> str:
    return path if os.path.isabs(path) else os.path.join(".", path)


class Converted:
    """What editcap makes of a capture: pcapng. A file it reads itself; what comes from elsewhere is handed to it."""

    def __init__(self, wanted: Wanted, kind: Kind, upstream: Stream) -> None:
        self.problem = ""
        self.ended = False
        self.upstream = upstream
        path = "-"
        self.spool: IO[bytes] | None = None
        if os.path.isfile(wanted.path) and isinstance(upstream, Plain):
            path = _no_option(wanted.path)
        elif kind.index_last:
            self.spool = self._spooled(wanted)
            path = self.spool.name
        forced = ("-T", "ether") if kind.ethernet else ()
        command = ("editcap", "-F", "pcapng", *forced, path, "-")
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if path == "-" else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=_ENGLISH,
            )
        except FileNotFoundError as error:
            problem = f"{wanted.shown}: {kind.what}, which editcap converts, and that is not installed"
            raise ReaderMissing(problem, INSTALL) from error
        assert self.process.stdout is not None
        self.output = self.process.stdout
        if self.process.stdin is not None:
            threading.Thread(target=self._pour, args=(self.process.stdin, wanted.head), daemon=True).start()

    def readinto(self, room: memoryview) -> int:
        if self.ended:
            return 0
        size = self.output.readinto(room) or 0  # type: ignore[attr-defined]  # a FileIO: unbuffered
        if not size:
            self.ended = True
            self._end()
        return int(size)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.output.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.upstream.close()
        if self.spool is not None:
            self.spool.close()

    def _spooled(self, wanted: Wanted) -> IO[bytes]:
        """All that comes from upstream, in a file that is gone when it is closed."""
        try:
            spool = tempfile.NamedTemporaryFile(prefix="verify-", buffering=0)  # noqa: SIM115 - closed with the stream
            self._copy(spool, wanted.head)
        except OSError as error:
            raise Unopened(
                f"{wanted.shown}: it can't be unpacked into {tempfile.gettempdir()}: {error.strerror}",
                "make room there, or name another folder: export TMPDIR=FOLDER",
            ) from error
        return spool

    def _copy(self, target: IO[bytes], head: bytes) -> None:
        room = memoryview(bytearray(AMOUNT))
        target.write(head)
        while size := self.upstream.readinto(room):
            view = room[:size]
            while view:
                view = view[target.write(view) :]

    def _pour(self, pipe: IO[bytes], head: bytes) -> None:
        """Hands editcap what comes from upstream."""
        try:
            with pipe:
                self._copy(pipe, head)
        except (OSError, ValueError):
            # editcap ended before its input did: its own words, or the file's problem, say why. Or `close` was called,
            # and upstream is no more.
            return

    def _end(self) -> None:
        assert self.process.stderr is not None
        said = self.process.stderr.read().decode("utf-8", "replace").splitlines()
        if self.upstream.problem:
            self.problem = self.upstream.problem
        else:
            # Of a file that is cut short it says so, and ends as if all were well.
            words = [line.removeprefix("editcap: ") for line in said if line.startswith("editcap: ")]
            failed = self.process.wait()
            if words or failed:
                self.problem = f"editcap says: {words[0] if words else f'exit status {failed}'}"
