"""What folders and patterns lead to beside captures, and what should have been one.

A file that nobody named may be anything: notes, a log, a link that leads nowhere. It is passed over, and nothing is the
less proved. But where its name says that it is a capture, packets are missing: it was overwritten, or never written to
(a full disk leaves files of no bytes). Such a file counts as one that can't be read. But the one of no bytes that comes
next in a rotated set hides nothing: the capture has just begun it, or ended there. And where Wireshark, dumpcap and
tcpdump numbered files, one that is not there between two others has packets. Names decide nothing else: what is a
capture by its content is read, whatever it is called. One of USB and the like is passed over where it is that to its
end.
"""

from __future__ import annotations

import itertools
import os
import stat

from verifier.errors import VerifierError
from verifier.sources.file import COMPRESSIONS, NO_NETWORK, Feed, Manner, NoCapture, NoNetwork, Unopened
from verifier.sources.operands import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verifier.sources.operands import Found

CAPTURES = ("pcap", "pcapng", "cap", "dmp", "ntar", "snoop", "erf")
"""Endings of captures: those that Wireshark's library has for pcap, pcapng, snoop and ERF (wiretap/file_access.c)."""
PACKED = ("gz", "zst", "lz4", "xz", "bz2", "z", "zip", "7z", "tar", "tgz")
"""Endings behind those, of what is unpacked here and of what captures are sent around in."""

_CHUNK = 1 << 16
"""Bytes asked for at once of what is only looked through."""
_TIME = r"(?<![0-9])(?:19|20)[0-9]{2}(?:[-_.:T]?[0-9]{2}){2,5}(?![0-9])"
"""A date in a name, perhaps with the time of day."""
_NUMBERED = r"_(?:([0-9]{5,9})_([0-9]{14})|([0-9]{14})_([0-9]{5,9}))(?=\.|\Z)"
"""What dumpcap and editcap put into a name: the file's number and the time of its beginning; the other way round with
`-b nametimenum:2`."""
_COUNTED = rf"(.*\.(?:{'|'.join(CAPTURES)}))([0-9]{{1,5}})?((?:\.(?:{'|'.join(PACKED)}))*)\Z"
"""tcpdump's names with -C: the given one, then numbers behind it, from 1; with -W, from 0. More digits are a date."""


def is_beside(found: Found, error: VerifierError) -> bool:
    """Whether a file that was found and not read, for the reason that `error` gives, is none that should have been."""
    if isinstance(error, NoNetwork):
        return not _has_network(found.path)
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
    follows the latest of them, also where numbers begin anew (`tcpdump -W`, from 0), and was written to no later than
    that began. Amid the set it would hide packets."""
    numbers = _numbers_in_set([path, *captures])
    if not captures or not numbers:
        return False
    latest = max(captures, key=captures.__getitem__)
    order = sorted([*captures, path], key=natural)
    place = order.index(path)
    if order[place - 1] != latest or (place == 0 and numbers[0] != 0):
        return False
    try:
        status = os.stat(path)
    except OSError:  # gone
        return False
    # One that unpacks to nothing was ended; one older than the latest was begun beside it, as of another interface.
    return status.st_size == 0 and status.st_mtime_ns >= captures[latest]


def gaps(paths: Sequence[str]) -> dict[str, int]:
    """The files of numbered sets behind which others of their set are not there, and how many. Where numbers begin anew
    another capture was started under the same name."""
    if len(paths) < 2:
        return {}
    import re

    sets: dict[str, list[tuple[str, int, str]]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        found = re.search(_NUMBERED, name)
        if found:
            number, time = found[1] or found[4], found[2] or found[3]
            ending = name[found.end() :]
            # Of a set the older files may be compressed, and not the others.
            packed = next((suffix for _, suffix in COMPRESSIONS if ending.endswith(suffix)), "")
            of = os.path.join(folder, name[: found.start()] + "*" + ending.removesuffix(packed))
            sets.setdefault(of, []).append((time, int(number), path))
        elif found := re.match(_COUNTED, name, re.IGNORECASE):
            sets.setdefault(os.path.join(folder, found[1]), []).append(("", int(found[2] or 0), path))
    lacking: dict[str, int] = {}
    for files in sets.values():
        files.sort()
        for (_, number, path), (_, following, _) in itertools.pairwise(files):
            if following > number + 1:
                lacking[path] = following - number - 1
    return lacking


def _numbers_in_set(paths: Sequence[str]) -> list[int]:
    """The numbers of the files of a rotated set, -1 where one has none, as the first of `tcpdump -C`; empty where these
    are no such set. All are in one folder, and their names differ in one number, in a time (`tcpdump -G`), or in both
    (dumpcap): where other numbers differ, those may tell interfaces and machines apart."""
    import re

    if len({os.path.dirname(path) for path in paths}) > 1:
        return []
    names = [re.split(r"([0-9]+)", re.sub(_TIME, "@", os.path.basename(path))) for path in paths]
    names = [[*name, "", ""] if name[-1] else name for name in names]
    if len({tuple(name[::2]) for name in names}) > 1:
        return []
    differ = [column for column in zip(*names, strict=True) if len(set(column)) > 1]
    if len(differ) > 1:
        return []
    return [int(number[-4000:] or -1) for number in differ[0]] if differ else [-1] * len(names)


def _has_network(path: str) -> bool:
    """Whether a capture that begins with what is no network has packets of one nevertheless, as one behind the other in
    one file. Taken for granted where it can't be read to its end."""
    from verifier.wire.engine import Engine
    from verifier.wire.notes import CODES, LINK_TYPE_UNKNOWN

    engine = Engine(0, False)
    try:
        feed = Feed(path, Manner(_CHUNK, guess=False))
    except NoNetwork:
        return False  # pcap: all of it is of one link
    except VerifierError:  # gone, or made anew, since it was opened
        return True
    reader, feed.described = feed.described, None
    try:
        while feed.advance():
            engine.read(feed.reader)
            if reader is None or any(each.link_type not in NO_NETWORK for each in reader.interfaces):
                return True
    finally:
        feed.close()
    passed_over = sum(count for code, count, _ in engine.ledger.notes.seen() if code == CODES[LINK_TYPE_UNKNOWN])
    return engine.packets > passed_over or bool(feed.problem)


def _is_no_folder(path: str) -> bool:
    """Of a folder that can't be looked into nobody knows what is in it; nor what it is that the one above bars."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
