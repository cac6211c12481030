"""The command line as values: split into words by the table of commands, then checked, a function for each command.

Not argparse: its import takes 8 ms where a small capture takes 22 whole (measured as in values.py), it refuses `verify
http URL -n 3 URL`, and its messages and help differ from one Python to the next.
The grammar is the GNU one: `--name value`, `--name=value`, `-n value`, `-nvalue`, operands anywhere, nothing but
operands after `--`.

`read` tells the command and its words, without a look at their meaning; the function of each command below turns words
into checked, immutable values. What is wrong is a VerifierError of one line.
"""

from __future__ import annotations

import os

from verifier.commands import COMMANDS, Command, Option, manual, overview
from verifier.errors import VerifierError
from verifier.judge.options import Expectations, Selection
from verifier.spelling import shell_word
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from verifier.catalogue import Cause
    from verifier.clients.session import Plan
    from verifier.report.json import Detail
    from verifier.sources.options import CaptureWish


class Words(NamedTuple):
    """One command line, split but not yet understood."""

    command: Command
    values: dict[str, list[str]]
    """By `Option.name`, in the order given; a switch has one empty string for each time."""
    operands: tuple[str, ...]
    answer: str
    """What answers --help or --version; empty where neither was asked for."""


# -- words


def read(argv: Sequence[str]) -> Words:
    """Tells the command of a command line, and its options from its operands."""
    if argv[:1] == ["help"]:
        argv = [*argv[1:], "--help"]
    at = _first_operand(argv)
    if at is None:
        demo = COMMANDS["demo"]
        return Words(demo, {}, (), overview()) if "-h" in argv or "--help" in argv else _split(demo, argv)
    first = argv[at]
    if first in COMMANDS:
        return _split(COMMANDS[first], [*argv[:at], *argv[at + 1 :]])
    if "://" in first:
        return _split(COMMANDS["http"], argv)
    if _names_capture(first):
        return _split(COMMANDS["analyze"], argv)
    raise VerifierError(f"no command, URL or capture file: {_quoted(first)}", _meant_by(first))


def _quoted(word: str) -> str:
    """A word of the command line in quotes, in which a shell reads it back."""
    return repr(word) if word.isprintable() else shell_word(word)


def _meant_by(word: str) -> str:
    """What to do about a first word that is no command."""
    from verifier.catalogue import CAUSES

    if word in CAUSES:
        return f"it is a cause: verify causes {word} explains it, verify demo {word} stages it"
    host, colon, rest = word.partition(":")
    if host and colon and rest.partition("/")[0].isdigit():
        return f"did you mean verify http {word}?"
    near = _nearest(word, COMMANDS)
    return f"did you mean {near}?" if near else "see verify --help"


def _first_operand(argv: Sequence[str]) -> int | None:
    """Index of the first word that is neither an option of any command nor the value of one."""
    taking = {flag for option in _every_option() if option.metavar for flag in option.flags}
    skip = False
    for index, word in enumerate(argv):
        if skip:
            skip = False
        elif word == "--":
            return index + 1 if index + 1 < len(argv) else None
        elif word in taking:
            skip = True
        elif not word.startswith("-") or word == "-":
            return index
    return None


def _every_option() -> list[Option]:
    return [option for command in COMMANDS.values() for option in _options(command)]


def _options(command: Command) -> list[Option]:
    return [option for group in command.groups for option in group.options]


def _names_capture(word: str) -> bool:
    """A file or folder that is there, standard input, a pattern, a path, or a name that only a capture has. Where that
    is missing the reader of files says so, and not that there is no such command."""
    pattern = any(letter in word for letter in "*?[")
    path = word.startswith(("/", "./", "../"))
    if word == "-" or pattern or path or os.path.lexists(word):
        return True
    from verifier.sources.beside import says_capture

    return says_capture(word)


def _split(command: Command, argv: Sequence[str]) -> Words:
    options = {flag: option for option in _options(command) for flag in option.flags}
    values: dict[str, list[str]] = {}
    operands: list[str] = []
    rest = list(reversed(argv))
    while rest:
        word = rest.pop()
        if word == "--":
            operands += reversed(rest)
            break
        if word in ("-h", "--help"):
            return Words(command, {}, (), manual(command))
        if word == "--version":
            from verifier import __version__

            return Words(command, {}, (), f"verify {__version__}\n")
        if word == "-" or not word.startswith("-"):
            operands.append(word)
            continue
        flag, joined = _flag_of(word)
        option = options.get(flag)
        if option is None:
            mend = f"a file of that name is ./{word}" if os.path.lexists(word) else _instead_of(flag, command, options)
            raise VerifierError(f"{command.name} has no option {flag}", mend)
        if option.metavar:
            values.setdefault(option.name, []).append(_value(option, joined, rest, options))
        elif joined is None:
            values.setdefault(option.name, []).append("")
        else:
            raise VerifierError(f"{flag} takes no value")
    if operands and not command.operands:
        raise VerifierError(f"{command.name} takes no {_quoted(operands[0])}", f"see verify {command.name} --help")
    return Words(command, values, tuple(operands), "")


def _flag_of(word: str) -> tuple[str, str | None]:
    """The flag of a word, and the value that is joined to it."""
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag, value if equals else None
    return word[:2], word[2:] or None


_MAY_BE_EMPTY = ("--data",)
MOST_DATA = 256 << 20
"""Bytes of a request's body: a device or a pipe may have no end."""


def _value(option: Option, joined: str | None, rest: list[str], options: dict[str, Option]) -> str:
    value = joined
    if joined is None and rest and rest[-1].partition("=")[0] not in options:
        value = rest.pop()
    if value is None or (not value and option.name not in _MAY_BE_EMPTY):
        raise VerifierError(f"{_called(option.name)} needs a value", f"give it as {option.flags[0]} {option.metavar}")
    return value


def _called(name: str) -> str:
    """An option by all of its flags: `-n (--requests)`."""
    short, *others = next(option.flags for option in _every_option() if option.name == name)
    return f"{short} ({', '.join(others)})" if others else short


def _instead_of(flag: str, command: Command, options: dict[str, Option]) -> str:
    """What to do about an option that the command does not have."""
    having = [(other, option) for other in COMMANDS.values() for option in _options(other) if flag in option.flags]
    if len(having) == 1:
        ((other, option),) = having
        return f"{other.name} has: verify {other.name} {other.operands} {flag} {option.metavar}".rstrip()
    if having:
        *others, last = [other.name for other, _ in having]
        return f"{', '.join(others)} and {last} have it"
    bare = {known.lstrip("-"): known for known in options}
    near = _nearest(flag.lstrip("-"), bare)
    return f"did you mean {bare[near]}?" if near else f"see verify {command.name} --help"


def _nearest(word: str, known: Iterable[str]) -> str:
    """The one that is spelled most like `word`; empty where none is much like it."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


# -- values


class Output(NamedTuple):
    json: bool
    detail: Detail
    color: str
    """`auto`, `always` or `never`."""
    exit_zero: bool


class Demo(NamedTuple):
    capture: CaptureWish
    expectations: Expectations
    output: Output
    cause: str | None = None
    """The one to stage."""
    list: bool = False
    """Not to stage any, but to name them."""
    all: bool = False


class Http(NamedTuple):
    plan: Plan
    capture: CaptureWish
    expectations: Expectations
    output: Output


class Analyze(NamedTuple):
    paths: tuple[str, ...]
    selection: Selection
    expectations: Expectations
    output: Output
    cross_check: bool
    each: bool
    """Every file a capture of its own."""


class Causes(NamedTuple):
    causes: tuple[Cause, ...]
    in_full: bool
    json: bool
    color: str


def demo(words: Words) -> Demo:
    cause = words.operands[0] if words.operands else None
    lists, every = _is_set(words, "--list"), _is_set(words, "--all")
    if len(words.operands) + lists + every > 1:
        raise VerifierError("demo takes one cause, or --list, or --all", "see verify demo --help")
    if cause is not None:
        from verifier.lab.scenes import SCENES

        if cause not in SCENES:
            raise VerifierError(f"no cause {cause!r} to stage", _near(cause, SCENES, "verify demo --list"))
    for name in words.values:
        if every and name not in _WITH_ALL:
            raise VerifierError(f"{name} is of one demo, and --all stages many", "leave one of them out")
        if lists and name not in _WITH_LIST:
            raise VerifierError(f"{name} is of a demo, and --list stages none", "leave one of them out")
    return Demo(_capture(words), _expectations(words), _output(words), cause, lists, every)


_WITH_LIST = ("--list", "--color")
_WITH_ALL = ("--all", "--interface", "--write", "--json", "--color", "--exit-zero")


def http(words: Words) -> Http:
    from verifier.clients.session import Plan, parse_header, parse_method, parse_url

    if not words.operands:
        raise VerifierError("http needs a URL", "give one like http://localhost:8000/")
    session = not _is_set(words, "--no-session")
    pool_maxsize = _whole(words, "--pool-maxsize", 1)
    if pool_maxsize is not None and not session:
        raise VerifierError("--pool-maxsize is of a Session, and --no-session wants none", "leave one of them out")
    data, method = _data(words), _last(words, "--method")
    plan = Plan(
        urls=tuple(parse_url(url) for url in words.operands),
        per_url=_whole(words, "--requests", 1) or 2,
        concurrency=_whole(words, "--concurrency", 1) or 1,
        session=session,
        method=parse_method(("GET" if data is None else "POST") if method is None else method),
        headers=tuple(parse_header(text) for text in words.values.get("--header", ())),
        data=data,
        timeout=_timeout(words),
        pause=_seconds(words, "--pause") or 0.0,
        pool_maxsize=pool_maxsize,
        stream=_is_set(words, "--stream"),
        verify_tls=not _is_set(words, "--insecure"),
    )
    capture = _capture(words)
    if data is not None and capture.path is not None and _is_sent(words, capture.path):
        raise VerifierError("--write would replace the file that --data sends", "give --write another name")
    return Http(plan, capture, _expectations(words), _output(words))


def analyze(words: Words) -> Analyze:
    if not words.operands:
        raise VerifierError("analyze needs a capture file", "name one, or - for standard input")
    selection = Selection(
        ports=tuple(_port(text) for text in words.values.get("--port", ())),
        hosts=tuple(_host(text) for text in words.values.get("--host", ())),
        clients=tuple(_client(text) for text in words.values.get("--client", ())),
    )
    cross_check = _is_set(words, "--cross-check")
    if cross_check and "-" in words.operands:
        raise VerifierError("--cross-check reads a capture twice, and standard input can't be", "save it to a file")
    each = _is_set(words, "--each")
    if each and cross_check:
        raise VerifierError("--each has a line for a file, and --cross-check more to tell", "leave one of them out")
    return Analyze(words.operands, selection, _expectations(words), _output(words), cross_check, each)


def only_file(words: Words) -> str:
    """The one file of `verify open`."""
    if not words.operands:
        raise VerifierError("open needs a capture file", "name one: verify open FILE")
    if len(words.operands) > 1:
        raise VerifierError("open takes one capture file", "see verify open --help")
    return words.operands[0]


def causes(words: Words) -> Causes:
    from verifier.catalogue import CAUSES, UNKNOWN

    known = {**CAUSES, UNKNOWN.code: UNKNOWN}
    if len(words.operands) > 1:
        raise VerifierError("causes takes one cause", "see verify causes --help")
    for code in words.operands:
        if code not in known:
            raise VerifierError(f"no cause {code!r}", _near(code, known, "verify causes"))
    chosen = tuple(known[code] for code in words.operands or known)
    return Causes(chosen, bool(words.operands), _is_set(words, "--json"), color(words))


_ALIKE = 0.85
"""From here on, as difflib measures it, a word is another one misspelled: a letter left out of `server-idle-timeout`
makes 0.97, and `balancer-idle-timeout` is 0.75 like it."""


def _near(code: str, known: Mapping[str, object], lister: str) -> str:
    """Causes that `code` is a part of, else those that are spelled like it; else the command that lists them."""
    import difflib

    word = code.lower().replace("_", "-")
    if word == "cause":
        return f"CAUSE stands for one of those that {lister} lists"
    near = [name for name in known if word and word in name]
    near = near or difflib.get_close_matches(word, known, 1, _ALIKE) or difflib.get_close_matches(word, known)
    return f"did you mean {' or '.join(near[:3])}?" if near else f"{lister} lists them all"


def color(words: Words) -> str:
    return _choice(words, "--color", ("auto", "always", "never"))


def _output(words: Words) -> Output:
    as_json = _is_set(words, "--json")
    detail: Detail = "summary"
    if "--detail" in words.values:
        if not as_json:
            raise VerifierError("--detail is for --json", "add --json")
        wanted = _choice(words, "--detail", ("connections", "exchanges"))
        detail = "connections" if wanted == "connections" else "exchanges"
    return Output(as_json, detail, color(words), _is_set(words, "--exit-zero"))


def _expectations(words: Words) -> Expectations:
    return Expectations(
        max_extra=_whole(words, "--max-extra", 0),
        max_handshakes=_whole(words, "--max-handshakes", 0),
        min_reuse=_share(words, "--min-reuse"),
    )


def _capture(words: Words) -> CaptureWish:
    from verifier.sources.filter import Keep
    from verifier.sources.options import CaptureWish

    packets = Keep(_choice(words, "--packets", ("full", "headers", "control")))
    path = _last(words, "--write")
    if path == "-":
        raise VerifierError("--write -: standard output has the report", "give --write the name of a file")
    return CaptureWish(_last(words, "--interface"), path, packets, _buffer(words))


def _buffer(words: Words) -> int | None:
    size = _octets(words, "--buffer-size")
    if size is None:
        return None
    from verifier.sources.ring import MOST_BYTES

    if size > MOST_BYTES:
        raise VerifierError(f"--buffer-size takes at most {MOST_BYTES >> 30}G", "64M is the usual")
    return size


def _data(words: Words) -> bytes | None:
    text = _last(words, "--data")
    if text is None:
        return None
    if not text.startswith("@"):
        return os.fsencode(text)
    try:
        with open(text[1:], "rb") as file:
            body = file.read(MOST_DATA + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise VerifierError(f"can't read --data {text}: {getattr(error, 'strerror', None) or error}") from error
    if len(body) > MOST_DATA:
        raise VerifierError(
            f"--data {text} has more than {MOST_DATA >> 20} MiB", "each request has all of it: send less"
        )
    return body


def _is_sent(words: Words, path: str) -> bool:
    """Whether the file at the path is the one that --data takes the body from."""
    text = _last(words, "--data") or ""
    try:
        return text.startswith("@") and os.path.samefile(text[1:], path)
    except (OSError, ValueError):  # there is no such file yet
        return False


# -- words to values


def _is_set(words: Words, name: str) -> bool:
    return name in words.values


def _last(words: Words, name: str) -> str | None:
    """Of an option given several times the last counts, as everywhere."""
    given = words.values.get(name)
    return given[-1] if given else None


def _whole(words: Words, name: str, least: int) -> int | None:
    text = _last(words, name)
    if text is None:
        return None
    number = _digits(text)
    if number is None or number < least:
        raise VerifierError(f"{_called(name)} takes a whole number of {least} or more, not {text!r}")
    return number


def _digits(text: str) -> int | None:
    """Up to 12 decimal digits. `int` alone would take signs, blanks, underscores and the digits of other scripts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _decimal(text: str) -> float | None:
    """A plain decimal number, 0 or more, below a million: no sign, exponent, infinity or NaN."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    return float(text) if digits.isascii() and digits.isdigit() and len(whole) <= 6 else None


def _seconds(words: Words, name: str) -> float | None:
    text = _last(words, name)
    if text is None:
        return None
    seconds = _decimal(text)
    if seconds is None:
        raise VerifierError(f"{_called(name)} takes seconds, like 0.5 or 30, not {text!r}")
    return seconds


def _timeout(words: Words) -> float:
    seconds = _seconds(words, "--timeout")
    if seconds == 0:
        raise VerifierError(f"--timeout takes more than 0 seconds, like 0.5 or 30, not {_last(words, '--timeout')!r}")
    return 30.0 if seconds is None else seconds


def _share(words: Words, name: str) -> float | None:
    text = _last(words, name)
    if text is None:
        return None
    number = _decimal(text.removesuffix("%"))
    share = None if number is None else number / 100 if text.endswith("%") else number
    if share is None or share > 1:
        raise VerifierError(f"{_called(name)} takes a share from 0 to 1, or 0% to 100%, not {text!r}")
    return share


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _octets(words: Words, name: str) -> int | None:
    text = _last(words, name)
    if text is None:
        return None
    upper = text.upper().removesuffix("B").removesuffix("I")
    unit = upper[-1:] if upper[-1:] in _UNITS else ""
    number = _digits(upper.removesuffix(unit))
    if not number:
        raise VerifierError(f"{_called(name)} takes bytes, like 65536, 512K, 64M or 1G, not {text!r}")
    return number * _UNITS[unit]


def _choice(words: Words, name: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, of which the first is the default."""
    text = _last(words, name)
    if text is None:
        return choices[0]
    if text not in choices:
        raise VerifierError(f"{_called(name)} takes {', '.join(choices[:-1])} or {choices[-1]}, not {text!r}")
    return text


def _port(text: str) -> int:
    number = _digits(text)
    if number is None or not 1 <= number <= 65535:
        raise VerifierError(f"--port takes a number from 1 to 65535, not {text!r}")
    return number


def _host(text: str) -> str:
    address = _address(text)
    if address is None and ("/" in text or ":" in text):
        raise VerifierError(
            f"--host takes a name or an IP address alone, not {text!r}", "like --host example.com --port 8080"
        )
    return address or text.lower()


def _client(text: str) -> str:
    address = _address(text)
    if address is None:
        raise VerifierError(f"--client takes an IP address, not {text!r}", "packets have no names of clients")
    return address


def _address(text: str) -> str | None:
    """An IP address as the report writes it (inet_ntop: `::ffff:10.0.0.1`, where `ipaddress` has `::ffff:a00:1`),
    without brackets and zone; None for what is none."""
    from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    bare = text.removeprefix("[").removesuffix("]").partition("%")[0]
    family = AF_INET6 if ":" in bare else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, bare))
    except (OSError, ValueError):  # ValueError: a NUL, or what is not ASCII
        return None
