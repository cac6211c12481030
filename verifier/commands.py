"""The commands and their options, as one table: read by arguments.py, explained by `overview` and `manual` here.

A later command is a row of this table, a function in arguments.py that checks its words, and one in cli.py that runs
it.
"""

from __future__ import annotations

from verifier.values import NamedTuple


class Option(NamedTuple):
    """One option. `metavar` names its value in the help; an option without one is a switch."""

    flags: tuple[str, ...]
    metavar: str
    help: str
    repeats: bool = False
    """Given several times, all of its values count; of other options the last."""

    @property
    def name(self) -> str:
        """The long flag: what the option is called in words and messages."""
        return self.flags[-1]


class Group(NamedTuple):
    title: str
    options: tuple[Option, ...]


Example = tuple[str, str]
"""A command line, and what it is good for."""


class Command(NamedTuple):
    name: str
    operands: str
    """What follows the name, as the usage line shows it; empty where nothing does."""
    summary: str
    groups: tuple[Group, ...] = ()
    about: str = ""
    examples: tuple[Example, ...] = ()


# -- the table

_EXPECTATIONS = Group(
    "What counts as proved (default: --max-extra 0)",
    (
        Option(("--max-extra",), "N", "accept this many extra handshakes"),
        Option(("--max-handshakes",), "N", "accept at most this many handshakes in all"),
        Option(("--min-reuse",), "RATIO", "at least this share of requests re-used: 0.9 or 90%"),
    ),
)
_COLOR = Option(("--color",), "WHEN", "auto (default, honours NO_COLOR), always or never")
_OUTPUT = Group(
    "Output",
    (
        Option(("--json",), "", "one JSON object (see verify schema) instead of the report; none with exit status 2"),
        Option(("--detail",), "LISTS", "with --json: connections, or exchanges (both)"),
        _COLOR,
        Option(("--exit-zero",), "", "exit 0 when refuted or inconclusive, too"),
    ),
)
_CAPTURE = Group(
    "Capture",
    (
        Option(("--interface",), "NAME", "where to capture (default: towards the server)"),
        Option(("--write",), "FILE", "save the packets here (default: a new file); a capture by verify is replaced"),
        Option(("--packets",), "KIND", "control (SYN, FIN and RST alone, for high loads), headers or full (default)"),
        Option(("--buffer-size",), "SIZE", "kernel buffer, in bytes or as 512K, 64M, 1G"),
    ),
)
_REQUESTS = Group(
    "Requests",
    (
        Option(("-n", "--requests"), "N", "requests for each URL (default 2)"),
        Option(("--concurrency",), "N", "threads, all on one Session (default 1)"),
        Option(("--no-session",), "", "requests.get for each, without a Session"),
        Option(("--method",), "NAME", "default GET, with --data POST"),
        Option(("--header",), "'NAME: VALUE'", "add a header", repeats=True),
        Option(("--data",), "TEXT", "send a body: text, or @FILE for what is in a file"),
        Option(("--timeout",), "SECONDS", "to connect, and for each wait for bytes (default 30)"),
        Option(("--pause",), "SECONDS", "wait between one request of a thread and its next"),
        Option(("--pool-maxsize",), "N", "connections kept for each host (default 10)"),
        Option(("--stream",), "", "leave response bodies unread"),
        Option(("--insecure",), "", "don't verify certificates"),
    ),
)
_SCENES = Group(
    "Causes",
    (
        Option(("--list",), "", "the causes that can be staged"),
        Option(("--all",), "", "stage and diagnose all; --write then names a folder"),
    ),
)
_SELECTION = Group(
    "Which connections",
    (
        Option(("--port",), "N", "of servers on this port alone", repeats=True),
        Option(("--host",), "NAME", "of this server alone, by address or name", repeats=True),
        Option(("--client",), "ADDRESS", "of this client alone", repeats=True),
    ),
)

_FILES = Group(
    "Several files",
    (Option(("--each",), "", "each is a capture of its own, analysed in parallel: a line for each"),),
)
_SECOND_OPINION = Group(
    "Second opinion",
    (Option(("--cross-check",), "", "have tshark count too, by way of pyshark, and explain each difference"),),
)

COMMANDS = {
    command.name: command
    for command in (
        Command(
            "demo",
            "[CAUSE]",
            "two requests to an embedded httpbin; or a cause of new connections, live",
            (_SCENES, _CAPTURE, _EXPECTATIONS, _OUTPUT),
            "Starts httpbin on loopback, sends two GETs through one requests.Session, and\n"
            "shows from the packets that the second needed no TCP handshake.\n"
            "`verify` alone is short for it.\n"
            "\n"
            "With a CAUSE: stages what makes clients open another connection, by a scripted\n"
            "server and a scripted client on loopback, and diagnoses it from the packets.",
            (
                ("verify", "the proof in one word"),
                ("verify demo --json", "the same for a program"),
                ("verify demo server-idle-timeout", "what one cause looks like"),
                ("verify demo --all", "self-test: is each cause diagnosed here?"),
                ("verify demo --all --write DIR", "a sample capture of each"),
            ),
        ),
        Command(
            "http",
            "URL...",
            "requests to your own URLs, proved from their packets",
            (_REQUESTS, _CAPTURE, _EXPECTATIONS, _OUTPUT),
            "Captures while Python requests gets the URLs, and tells which connection\n"
            "carried each request. `verify URL` is short for it.",
            (
                ("verify http://localhost:8000/", "does a Session re-use it?"),
                ("verify http URL -n 100 --concurrency 8", "8 threads on one Session"),
                ("verify http URL -n 3 --no-session", "what it looks like without"),
                ("verify http URL -n 2 --pause 6", "does the server close when idle?"),
                ("verify http URL --data @body.json", "a POST of your own"),
            ),
        ),
        Command(
            "analyze",
            "FILE...",
            "saved captures of any kind, whole folders; - is standard input",
            (_FILES, _SELECTION, _EXPECTATIONS, _OUTPUT, _SECOND_OPINION),
            "Reads every TCP connection of a capture, on any port: pcap and pcapng, also\n"
            "compressed (gzip, zstd, lz4, xz, bzip2), other formats by way of editcap.\n"
            "Several files are one capture in the order of time, as rotated sets are; with\n"
            "--each they have nothing to do with each other, and with --json each is one\n"
            "object on one line. The exit status is then the worst: 2 before 1, 3 and 0.\n"
            "`verify FILE` is short for it.",
            (
                ("verify traffic.pcapng", "who opens how many connections?"),
                ("verify analyze traces/", "a folder, or a rotated set in it"),
                ("verify --each traces/*.pcap", "which of them are refuted?"),
                ("verify big.pcap.gz --client 10.0.0.7", "one client alone"),
                ("tcpdump -B 65536 -w - tcp port 80 | verify -", "as it is captured"),
                ("verify x.pcap --min-reuse 95%", "in a build: exit status 1 fails it"),
                ("verify x.pcap --json --detail exchanges", "every request, for a program"),
            ),
        ),
        Command(
            "open",
            "FILE",
            "a capture in Wireshark, filtered to what matters here",
            (),
            "Opens a capture in Wireshark, filtered to handshakes, closes and requests.\n"
            "Without Wireshark or a display it prints the command and the filter instead.",
        ),
        Command("doctor", "", "can this user capture here, and what mends it where not", (Group("Output", (_COLOR,)),)),
        Command(
            "causes",
            "[CAUSE]",
            "why connections are opened: a list, or one cause in full",
            (Group("Output", (Option(("--json",), "", "as a JSON array of objects"), _COLOR)),),
            "The catalogue behind every diagnosis: what each cause is, whose it is to mend,\n"
            "how packets show it, and what to change in which client and server.",
            (
                ("verify causes", "all of them"),
                ("verify causes server-idle-timeout", "one in full"),
            ),
        ),
        Command("schema", "", "the JSON Schema of what --json prints"),
    )
}


# -- help

_WIDTH = 80
_SHORT = (
    ("verify", "the same as verify demo"),
    ("verify URL", "the same as verify http URL"),
    ("verify FILE", "the same as verify analyze FILE"),
)
_EXIT = "Exit status: 0 proved, 1 refuted, 2 could not run, 3 inconclusive."


def overview() -> str:
    """The answer to `verify --help`."""
    lines = [
        "Proves from packets whether an HTTP client re-uses its TCP connections.",
        "",
        "usage: verify [COMMAND] [OPTIONS]",
        "",
        "Commands",
        *_pairs([(f"{command.name} {command.operands}", command.summary) for command in COMMANDS.values()]),
        "",
        "In short",
        *_pairs(list(_SHORT)),
        "",
        _EXIT,
        "verify COMMAND --help explains each. verify doctor tells why a capture fails.",
    ]
    return "\n".join(lines) + "\n"


def manual(command: Command) -> str:
    """The answer to `verify COMMAND --help`."""
    options = " [OPTIONS]" if command.groups else ""
    operands = f" {command.operands}" if command.operands else ""
    lines = [f"usage: verify {command.name}{options}{operands}", ""]
    lines += [command.about] if command.about else [f"{command.summary[0].upper()}{command.summary[1:]}."]
    for group in command.groups:
        lines += ["", group.title, *_pairs([(_signature(option), _help(option)) for option in group.options])]
    if command.examples:
        lines += ["", "Examples", *_pairs(list(command.examples))]
    if _EXPECTATIONS in command.groups:
        lines += ["", _EXIT]
    return "\n".join(lines) + "\n"


def _signature(option: Option) -> str:
    flags = ", ".join(option.flags) if len(option.flags) > 1 else f"    {option.name}"
    return f"{flags} {option.metavar}".rstrip()


def _help(option: Option) -> str:
    return f"{option.help} (repeatable)" if option.repeats else option.help


def _pairs(pairs: list[tuple[str, str]]) -> list[str]:
    """Two columns, the right one wrapped."""
    from verifier.report.terminal import wrap

    width = max(len(left) for left, _ in pairs)
    lines = []
    for left, right in pairs:
        first, *rest = wrap(right, _WIDTH - width - 4)
        lines.append(f"  {left.ljust(width)}  {first}")
        lines += [" " * (width + 4) + line for line in rest]
    return lines
