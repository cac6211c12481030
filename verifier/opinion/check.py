"""The second opinion on captures: has tshark read them, compares, and tries what explains each difference."""

from __future__ import annotations

from verifier.opinion import compare, tshark
from verifier.opinion.model import Count, Difference, Opinion, What
from verifier.opinion.rules import BAD_HEADS, DECRYPTED, EXPERIMENTS, PIECES
from verifier.spelling import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.judge.model import Report
    from verifier.opinion.compare import Open
    from verifier.opinion.rules import Experiment
    from verifier.opinion.streams import Seen

MOST_DIFFERENCES = 1000
MOST_PAYLOADS = 500
"""Frames that tshark is asked about one by one."""
MOST_DISABLED = 200
"""Protocols that tshark is told to leave out, in one experiment."""
MOST_PORTS = 50
"""Ports that tshark is told to decode as HTTP, in one experiment."""


def second_opinion(program: tshark.Program, reports: Iterable[Report]) -> Opinion:
    """tshark's opinion on files, each of which has a report of its own, on all of its connections."""
    files = 0
    sums: dict[What, list[int]] = {what: [0, 0] for what in What}
    differences: list[Difference] = []
    problems: list[str] = []
    for place, report in enumerate(reports):
        files += 1
        path = report.sources[0].name
        try:
            counted, found = _of_file(program, report)
        except tshark.Unread as error:
            problems.append(f"{file_name(path)}: {error}")
            continue
        for count in counted:
            sums[count.what][0] += count.ours
            sums[count.what][1] += count.theirs
        differences += [difference._replace(source=place) for difference in found]
    if files > 1:
        differences = [difference._replace(connection=None) for difference in differences]
    return Opinion(
        tool="tshark",
        version=program.version,
        counts=tuple(Count(what, *numbers) for what, numbers in sums.items()),
        differences=tuple(differences[:MOST_DIFFERENCES]),
        left_off=max(0, len(differences) - MOST_DIFFERENCES),
        problems=tuple(problems),
        files=files,
    )


def _of_file(program: tshark.Program, report: Report) -> tuple[tuple[Count, ...], list[Difference]]:
    path = report.sources[0].name
    seen = tshark.read(program, path)
    every = compare.units(report, seen)
    found = compare.differences(every, seen, report.totals.packets)
    for experiment in EXPERIMENTS:
        doubtful = [open_ for open_ in found if _is_for(experiment, open_)]
        if not doubtful:
            continue
        wish = _wish(experiment, doubtful)
        if experiment.as_http and not wish.decode_as:
            continue
        again = tshark.read(program, path, wish)
        found = [
            compare.settled(open_, again, experiment.rule) if _is_for(experiment, open_) else open_ for open_ in found
        ]
    found = _below_tcp(program, path, _in_plain_sight(program, path, found))
    found = _theirs_alone(program, path, found)
    found = _bad_openings(program, path, _torn(program, path, found, seen))
    notes = {note.code for note in report.notes}
    found = compare.translated(found, seen, notes)
    differences = [compare.last_resort(open_, notes).difference for open_ in found]
    return compare.counts(report, seen), differences + compare.quotations(seen)


def _in_plain_sight(program: tshark.Program, path: str, found: list[Open]) -> list[Open]:
    """Looks for the first lines of messages that only one of the two counts, in the payloads that tshark shows."""
    doubtful = [open_ for open_ in found if _in_doubt(open_)]
    wanted = {frame for open_ in doubtful for frame in (*compare.missed(open_), *compare.surplus(open_))}
    if not wanted:
        return found
    payloads = tshark.payloads(program, path, sorted(wanted)[:MOST_PAYLOADS])
    return [
        compare.no_start_line(compare.in_plain_sight(open_, payloads), payloads) if _in_doubt(open_) else open_
        for open_ in found
    ]


def _below_tcp(program: tshark.Program, path: str, found: list[Open]) -> list[Open]:
    """Looks for TCP in the frames of connections of which tshark has no stream, or not all handshakes and messages."""
    wanted = {frame for open_ in found if compare.unseen(open_) for frame in open_.difference.frames}
    wanted |= {frame for open_ in found for frames in compare.hidden(open_) for frame in frames}
    if not wanted:
        return found
    layers = tshark.layers(program, path, sorted(wanted)[:MOST_PAYLOADS])
    return [
        compare.below_tcp(open_, layers) if compare.unseen(open_) else compare.partly_below_tcp(open_, layers)
        for open_ in found
    ]


def _theirs_alone(program: tshark.Program, path: str, found: list[Open]) -> list[Open]:
    """Looks for faults of the heads of streams that only tshark has, and for what is encrypted around them."""
    for rule, sign in ((BAD_HEADS, tshark.FAULTS), (PIECES, tshark.PIECES), (DECRYPTED, tshark.ENCRYPTED)):
        wanted = {number for open_ in found for number in compare.streams_of_theirs_alone(open_)}
        if not wanted:
            break
        numbers = tshark.wholly(program, path, sorted(wanted)[:MOST_PAYLOADS], sign)
        found = [compare.theirs_alone(open_, numbers, rule) for open_ in found]
    return found


def _torn(program: tshark.Program, path: str, found: list[Open], seen: Seen) -> list[Open]:
    """Has tshark read the file without the dissectors above TCP, where its streams begin inside our connections."""
    if not any(compare.torn(open_) for open_ in found):
        return found
    above = {name for stream in seen.streams.values() for name in stream.above}
    again = tshark.read(program, path, tshark.Wish(disabled=sorted(above)[:MOST_DISABLED]))
    return [compare.mended(open_, again) if compare.torn(open_) else open_ for open_ in found]


def _bad_openings(program: tshark.Program, path: str, found: list[Open]) -> list[Open]:
    """Looks for faults of the heads that open streams of tshark's between ends where we have connections, too."""
    wanted = {frame for open_ in found for frame in compare.opened_by(open_)}
    if not wanted:
        return found
    return compare.bad_openings(found, tshark.faulty_heads(program, path, sorted(wanted)[:MOST_PAYLOADS]))


def _is_for(experiment: Experiment, open_: Open) -> bool:
    """Whether trying this may help."""
    hidden = open_.difference.ours > open_.difference.theirs
    return _in_doubt(open_) and (hidden or not experiment.hidden_alone)


def _in_doubt(open_: Open) -> bool:
    """Whether trying may help."""
    difference = open_.difference
    both = bool(open_.unit.ours and open_.unit.theirs)
    return both and difference.rule is None and difference.what in (What.REQUESTS, What.RESPONSES)


def _wish(experiment: Experiment, doubtful: Sequence[Open]) -> tshark.Wish:
    ports: set[int] = set()
    if experiment.as_http:
        ports = {one.connection.server.port for open_ in doubtful for one in open_.unit.ours}
    decode_as = {f"tcp.port=={port}": "http" for port in sorted(ports)[:MOST_PORTS]}
    return tshark.Wish(dict(experiment.preferences), decode_as)
