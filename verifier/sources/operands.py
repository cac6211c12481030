"""What `verify analyze` is given, as files: folders and patterns are looked into, each file is taken once.

Of a folder every regular file counts, of its folders too, but nothing hidden; links to folders are not followed.
Whether a file is a capture shows when it is opened.
"""

from __future__ import annotations

import os
import stat

from verifier.errors import VerifierError
from verifier.sources.facts import Skipped
from verifier.sources.file import STANDARD_INPUT, tell_nobody
from verifier.spelling import file_name
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from verifier.sources.file import Tell


class Found(NamedTuple):
    path: str
    operand: str
    """What the user named: the same, or the folder or pattern that it was found by."""

    @property
    def named(self) -> bool:
        return self.path == self.operand


class Files(NamedTuple):
    found: tuple[Found, ...]
    skipped: tuple[Skipped, ...]


class Fruitless(NamedTuple):
    """An operand that stands for no file that can be read."""

    operand: str
    what: str


def files(operands: Sequence[str], tell: Tell = tell_nobody) -> Files:
    """The files that the operands stand for. VerifierError where one stands for none."""
    found: list[Found] = []
    skipped: list[Skipped] = []
    for each in looked_up(operands, tell):
        if isinstance(each, Fruitless):
            raise VerifierError(f"{file_name(each.operand)}: {each.what}")
        elif isinstance(each, Found):
            found.append(each)
        else:
            skipped.append(each)
    return Files(tuple(found), tuple(skipped))


def looked_up(operands: Sequence[str], tell: Tell = tell_nobody) -> Iterator[Found | Skipped | Fruitless]:
    """What the operands stand for, in their order; those given twice at the end. Fruitless is also one that led to
    nothing but what is no regular file."""
    known: set[tuple[int, int] | str] = set()
    for operand in dict.fromkeys(operands):
        fruitful = False
        odd: list[str] = []
        for path in _files_of(operand):
            mode, identity = _identity(path)
            if path != operand and mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                odd.append(path)
                yield Skipped(path, "no regular file")
                continue
            fruitful = True
            if identity in known:
                yield Skipped(path, "the same file as another one")
            else:
                known.add(identity)
                tell(f"files found: {len(known):,}")
                yield Found(path, operand)
        if not fruitful:
            yield Fruitless(operand, _nothing_in(operand, odd))
    yield from (Skipped(operand, "given twice") for operand in _repeated(operands))


def _nothing_in(operand: str, odd: Sequence[str]) -> str:
    """Why an operand stands for no file; `odd` is what it led to, and is no regular file."""
    if len(odd) == 1:
        return f"its only file, {file_name(os.path.basename(odd[0]))}, is no regular file"
    if odd:
        return f"none of its {len(odd)} files is a regular file"
    if os.path.isdir(operand):
        return "the folder has no file"
    plain = min(operand.partition(letter)[0] for letter in "*?[")
    barred = _barred_folder(os.path.dirname(plain))
    return f"{file_name(barred)} is not readable by this user" if barred else "no file has such a name"


def _barred_folder(path: str) -> str:
    """The folder that keeps this user from what is at the path: itself, or the outermost above; empty for none."""
    folders = [path]
    while (above := os.path.dirname(folders[-1])) not in (folders[-1], ""):
        folders.append(above)
    own = os.access in os.supports_effective_ids
    for folder in reversed(folders):
        wanted = os.R_OK | os.X_OK if folder == path else os.X_OK
        if os.path.isdir(folder) and not os.access(folder, wanted, effective_ids=own):
            return folder
    return ""


def _repeated(operands: Sequence[str]) -> Iterable[str]:
    """Those that were given more than once, each once."""
    once: set[str] = set()
    repeated: dict[str, None] = {}
    for operand in operands:
        if operand in once:
            repeated[operand] = None
        once.add(operand)
    return repeated


def no_capture_in(operand: str, skipped: Sequence[Skipped]) -> VerifierError:
    """What is wrong with a folder or a pattern that led to these files only."""
    if len(skipped) == 1:
        ((path, why),) = skipped
        what = f"its only file, {file_name(os.path.basename(path))}, can't be read: {why}"
    else:
        what = f"none of its {len(skipped)} files is a capture that can be read"
    return VerifierError(f"{file_name(operand)}: {what}", "pcap and pcapng are read, compressed or not")


def _identity(path: str) -> tuple[int, tuple[int, int] | str]:
    """The mode of a file, 0 where it is not known, and what tells it from others."""
    if path == STANDARD_INPUT:
        return 0, path
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return 0, path  # opening it will say why
    # Pipes that a shell makes for `<(command)` can have numbers in common with others' files; their names differ.
    return status.st_mode, (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else path


def _files_of(operand: str) -> Iterator[str]:
    if operand == STANDARD_INPUT:
        yield operand
    elif os.path.isdir(operand):
        yield from _inside(operand)
    elif os.path.lexists(operand) or not any(letter in operand for letter in "*?["):
        yield operand
    else:
        for path in sorted(dict.fromkeys(_matching(operand)), key=natural):
            if os.path.isdir(path):
                yield from () if "**" in operand.split(os.sep) else _inside(path)
            else:
                yield path


def _matching(pattern: str) -> Iterator[str]:
    """What a pattern stands for. `**` as a part of its own stands for folders however deep, without those that links
    lead to: `glob` would follow links, and two that lead up again are more ways than it ever comes to an end with."""
    from glob import escape, glob

    parts = pattern.split(os.sep)
    if "**" not in parts:
        yield from glob(pattern)
        return
    at = parts.index("**")
    above, below = os.sep.join(parts[:at]), os.sep.join(part for part in parts[at + 1 :] if part) or "*"
    begins = glob(above or os.sep) if at else [""]
    for begin in begins:
        for folder in _folders(begin):
            yield from _matching(os.path.join(escape(folder), below))


def _folders(folder: str) -> Iterator[str]:
    """The folder and all below it, but for hidden ones, links, and those that can't be looked into."""
    ahead = [folder]
    while ahead:
        path = ahead.pop()
        yield path
        try:
            with os.scandir(path or os.curdir) as entries:
                ahead += [
                    os.path.join(path, entry.name)
                    for entry in entries
                    if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue


def _inside(folder: str) -> Iterator[str]:
    """The files of a folder and its folders, however deep. A folder that can't be looked into is handed out itself:
    opening it will say why."""
    ahead = [(folder, True)]
    """What is still to be looked at, the next one last, and whether it is a folder."""
    while ahead:
        path, is_folder = ahead.pop()
        if not is_folder:
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                inside = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            yield path
            continue
        for entry in sorted(inside, key=lambda entry: natural(entry.name), reverse=True):
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder or not _leads_to_a_folder(entry):
                ahead.append((entry.path, is_folder))


def _leads_to_a_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link to a folder. One that can't be followed is handed out: opening it will say why."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which `capture.pcap10` comes behind `capture.pcap9`."""
    key: list[tuple[int, int, str]] = []
    word = digits = ""
    for letter in name:
        if letter in "0123456789":
            if word:
                key.append((1, 0, word))
                word = ""
            digits += letter
        else:
            if digits:
                key.append((0, _number(digits), ""))
                digits = ""
            word += letter
    return [*key, (0, _number(digits), "") if digits else (1, 0, word)]


def _number(digits: str) -> int:
    """Names have up to 255 letters, and paths more; Python converts up to 4,300 digits."""
    return int(digits[-4000:])
