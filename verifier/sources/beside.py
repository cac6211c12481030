"""What folders and patterns lead to beside captures, and what should have been one.

A file that nobody named may be anything: notes, a log, a link that leads nowhere. It is passed over, and nothing is the
less proved. But where its name says that it is a capture, packets are missing: it was overwritten, or never written to
(a full disk leaves files of no bytes). Such a file counts as one that can't be read. But one of no bytes that comes
next in a rotated set hides nothing: the capture has just begun it, or ended there. Names decide nothing else: what is a
capture by its content is read, whatever it is called.
"""

from __future__ import annotations

import os
import stat

from verifier.sources.file import NoCapture, NoNetwork, Unopened
from verifier.sources.operands import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.errors import VerifierError
    from verifier.sources.operands import Found

CAPTURES = ("pcap", "pcapng", "cap", "dmp", "ntar", "snoop", "erf")
"""Endings of captures: those that Wireshark's library has for pcap, pcapng, snoop and ERF (wiretap/file_access.c)."""
PACKED = ("gz", "zst", "lz4", "xz", "bz2", "z", "zip", "7z", "tar", "tgz")
"""Endings behind those, of what is unpacked here and of what captures are sent around in."""


def is_beside(found: Found, error: VerifierError) -> bool:
    """Whether a file that was found and not read, for the reason that `error` gives, is none that should have been."""
    if isinstance(error, NoNetwork):
        return True
    if says_capture(found.path):
        return False
    return isinstance(error, NoCapture) or (isinstance(error, Unopened) and _is_no_folder(found.path))


def says_capture(path: str) -> bool:
    """Whether the name says that it is a capture. Behind the ending there may be numbers, as of rotated sets: `.pcap1`
    and `.pcap07` (tcpdump -C, -W), `.pcap.1` and `.pcap-20261122` (logrotate). dumpcap puts them before it."""
    import re

    endings, packed = "|".join(CAPTURES), "|".join(PACKED)
    # A digit at a time: there is one way only to read a name, however many it has.
    return bool(re.search(rf"\.({endings})([-_.]?[0-9]|\.({packed}))*\Z", os.path.basename(path), re.IGNORECASE))


def is_next(path: str, captures: Mapping[str, int]) -> bool:
    """Whether an empty file is the next one of a rotated set that all other captures, with their beginnings, are of: it
    follows the latest of them, also where numbers begin anew (`tcpdump -W`). Amid the set it would hide packets."""
    if not captures or {_set_of(each) for each in captures} != {_set_of(path)}:
        return False
    order = sorted([*captures, path], key=natural)
    return order[order.index(path) - 1] == max(captures, key=captures.__getitem__)


def _set_of(path: str) -> str:
    """What the names of a rotated set have in common: all but their numbers. The first one of `tcpdump -C` has none."""
    import re

    return re.sub(r"[0-9]+", "#", path).removesuffix("#")


def _is_no_folder(path: str) -> bool:
    """Of a folder that can't be looked into nobody knows what is in it; nor what it is that the one above bars."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
