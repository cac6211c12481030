"""Our connections beside tshark's streams: pure, values in, differences out.

Both are sorted by the ends of their connections. Where there are as many of ours as of theirs between two ends, the
first is compared with the first, and so on; where not, SYNs tell which belong together, and all between these ends are
compared as one. What the two count otherwise becomes a difference, with a rule where the packets show the sign of one.
"""

from __future__ import annotations

import re
from itertools import pairwise

from verifier.figures import endpoint
from verifier.opinion import rules
from verifier.opinion.model import Count, Difference, What
from verifier.opinion.streams import WRAP, continues
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from verifier.judge.model import Connection, Exchange, Report
    from verifier.opinion.model import Rule
    from verifier.opinion.streams import End, Message, Seen, Stream
    from verifier.opinion.tshark import Layers

    Ends = tuple[End, End]

_REQUEST_LINE = re.compile(rb"[^\s]+ +[^\s].* +HTTP/\d\.\d *\r?$", re.DOTALL)
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d +[1-9]\d\d( .*)?\r?$", re.DOTALL)
"""RFC 9112, sections 3 and 4."""

MOST_FRAMES = 10
"""Of a difference: enough to look at."""
_FINAL_INTERIM = "101"
"""Switching Protocols: 1xx, and no other response follows it."""
_SHARED = "addresses-shared"
_TRANSLATED = "address-translated"


class Numbers(NamedTuple):
    handshakes: int
    requests: int
    responses: int


class Ours(NamedTuple):
    """One of our connections, with its exchanges."""

    connection: Connection
    exchanges: tuple[Exchange, ...]


class Theirs(NamedTuple):
    number: int
    """tshark's stream index."""
    stream: Stream


class Unit(NamedTuple):
    """What is compared as one: a connection and a stream, or all between two ends where they can't be paired."""

    ends: Ends
    ours: tuple[Ours, ...]
    theirs: tuple[Theirs, ...]
    overlap: bool = False
    """Whether several of ours were there at the same time."""


class Open(NamedTuple):
    """A difference, with what it takes to look for its rule."""

    difference: Difference
    unit: Unit

    def explained(self, rule: Rule | None) -> Open:
        """The same, with this rule."""
        return self._replace(difference=self.difference._replace(rule=rule))


# -- pairing


def units(report: Report, seen: Seen) -> list[Unit]:
    """Everything that both saw, in units."""
    exchanges: dict[int, list[Exchange]] = {}
    for exchange in report.details.exchanges():
        exchanges.setdefault(exchange.connection, []).append(exchange)
    ours: dict[Ends, list[Ours]] = {}
    for connection in report.details.connections():
        ends = _ends(connection)
        mine = Ours(connection, tuple(exchanges.pop(connection.id, ())))
        ours.setdefault(ends, []).append(mine)
    theirs: dict[Ends, list[Theirs]] = {}
    for number, stream in seen.streams.items():
        theirs.setdefault(stream.ends, []).append(Theirs(number, stream))
    overlap = any(note.code == _SHARED for note in report.notes)
    result: list[Unit] = []
    for ends in ours.keys() | theirs.keys():
        left, right = ours.get(ends, []), theirs.get(ends, [])
        if overlap and _overlap(left):
            result.append(Unit(ends, tuple(left), tuple(right), True))
        elif len(left) == len(right):
            result += [Unit(ends, (one,), (other,)) for one, other in zip(left, right, strict=True)]
        else:
            result.append(Unit(ends, tuple(left), tuple(right)))
    return sorted(result, key=_order)


def _overlap(ours: Sequence[Ours]) -> bool:
    """Whether connections between the same ends were there at the same time: only tunnels tell them apart."""
    until_ns = 0
    for one in ours:
        if one.connection.opened_ns < until_ns:
            return True
        moments = [exchange.response_end_ns or exchange.request_ns for exchange in one.exchanges]
        until_ns = max(until_ns, one.connection.closed_ns or 0, *moments)
    return False


def _ends(connection: Connection) -> Ends:
    client, server = connection.client, connection.server
    ends = ((client.ip, client.port), (server.ip, server.port))
    return min(ends), max(ends)


def _order(unit: Unit) -> tuple[int, int]:
    first = unit.theirs[0].stream.first_frame if unit.theirs else 0
    return (unit.ours[0].connection.id if unit.ours else 1 << 62, first)


def numbers_of(streams: Sequence[Stream]) -> Numbers:
    """As tshark has them, interim responses included."""
    return Numbers(
        sum(stream.complete > 0 for stream in streams),
        sum(len(stream.requests) for stream in streams),
        sum(len(stream.responses) for stream in streams),
    )


def our_numbers(ours: Sequence[Ours]) -> Numbers:
    return Numbers(
        sum(one.connection.handshake == "complete" for one in ours),
        sum(one.connection.requests for one in ours),
        # Of a connection's responses only those that answer a request count in the report's total.
        sum(exchange.status is not None for one in ours for exchange in one.exchanges),
    )


def counts(report: Report, seen: Seen) -> tuple[Count, ...]:
    mine = report.totals
    other = numbers_of(list(seen.streams.values()))
    return (
        Count(What.CONNECTIONS, mine.connections, len(seen.streams) + len(seen.quoted)),
        Count(What.HANDSHAKES, mine.handshakes, other.handshakes),
        Count(What.REQUESTS, mine.requests, other.requests),
        Count(What.RESPONSES, mine.responses, other.responses),
    )


# -- differences


def differences(every: Sequence[Unit], seen: Seen, packets: int) -> list[Open]:
    """Each thing that the two count otherwise. `packets` is how many we read of the file."""
    return [found for unit in every for found in _in_unit(unit, seen.packets != packets)]


def quotations(seen: Seen) -> list[Difference]:
    """Streams that tshark made of quoted heads alone."""
    rule = rules.QUOTED_HEADERS
    return [
        Difference(What.CONNECTIONS, 0, 1, None, (frame,), rule, f"tshark's stream {number} is quotations alone")
        for number, frame in seen.quoted.items()
    ]


def _in_unit(unit: Unit, damaged: bool) -> Iterator[Open]:
    mine = our_numbers(unit.ours)
    streams = [other.stream for other in unit.theirs]
    other = numbers_of(streams)
    sure = rules.FILE_DAMAGED if damaged else rules.SHARED_ADDRESSES if unit.overlap else None
    rule = None
    if len(unit.ours) != len(unit.theirs):
        rule = sure or _connections_rule(unit)
        yield _open(unit, What.CONNECTIONS, (len(unit.ours), len(unit.theirs)), rule)
    joins = min(mine.handshakes, sum(stream.complete > 0 and stream.join for stream in streams))
    mine = mine._replace(handshakes=mine.handshakes - joins)  # the report's connections do not tell
    if mine.handshakes != other.handshakes:
        subflow = rules.SUBFLOW if mine.handshakes + joins == other.handshakes else _answered_first(unit)
        yield _open(unit, What.HANDSHAKES, (mine.handshakes, other.handshakes), sure or subflow or rule)
    if mine.requests != other.requests:
        sign = sure or rule or (_requests_rule(unit, mine.requests) if unit.ours else None)
        yield _open(unit, What.REQUESTS, (mine.requests, other.requests), sign)
    if mine.responses != other.responses:
        sign = sure or rule or (_responses_rule(unit, mine, other) if unit.ours else None)
        yield _open(unit, What.RESPONSES, (mine.responses, other.responses), sign)


def _open(unit: Unit, what: What, numbers: tuple[int, int], rule: Rule | None) -> Open:
    ours, theirs = numbers
    connection = unit.ours[0].connection.id if len(unit.ours) == 1 else None
    text = f"{where(unit)}: {ours} here, {theirs} in tshark"
    return Open(Difference(what, ours, theirs, connection, frames_of(unit, what), rule, text), unit)


def where(unit: Unit) -> str:
    """The ends as people write them, the client first where we know it."""
    if unit.ours:
        client, server = unit.ours[0].connection.client, unit.ours[0].connection.server
        return f"{endpoint(client)} to {endpoint(server)}"
    return " and ".join(map(endpoint, unit.ends))


def frames_of(unit: Unit, what: What) -> tuple[int, ...]:
    """Frames that show the difference: those that only one of the two has, where that can be told."""
    streams = [other.stream for other in unit.theirs]
    if what is What.CONNECTIONS or what is What.HANDSHAKES:
        frames = {opening.frame for stream in streams for opening in stream.syns}
        frames |= {stream.first_frame for stream in streams}
        frames |= {next((frame for frame in one.connection.frames if frame), 0) for one in unit.ours}
    else:
        mine, others = _message_frames(unit, what)
        frames = set(_unmatched(mine, others)) or set(mine) or set(others)
    return tuple(sorted(frames - {0}))[:MOST_FRAMES]


def _message_frames(unit: Unit, what: What) -> tuple[list[int], list[int]]:
    if what is What.REQUESTS:
        mine = [exchange.request_frame for one in unit.ours for exchange in one.exchanges]
        others = [message.frame for other in unit.theirs for message in other.stream.requests]
    else:
        mine = [exchange.response_frame for one in unit.ours for exchange in one.exchanges]
        others = [message.frame for other in unit.theirs for message in other.stream.responses]
    return sorted(frame for frame in mine if frame), sorted(others)


def _unmatched(mine: list[int], others: list[int]) -> list[int]:
    """Frames without a partner. Ours is where a message begins, tshark's where it ends: its partner is the first of
    theirs from it on, before the next of ours."""
    left: list[int] = []
    taken: set[int] = set()
    at = 0
    for place, frame in enumerate(mine):
        following = mine[place + 1] if place + 1 < len(mine) else 1 << 62
        while at < len(others) and others[at] < frame:
            at += 1
        if at < len(others) and (others[at] <= following):
            taken.add(at)
            at += 1
        else:
            left.append(frame)
    return left + [frame for place, frame in enumerate(others) if place not in taken]


# -- signs


def _connections_rule(unit: Unit) -> Rule | None:
    streams = [other.stream for other in unit.theirs]
    if len(unit.ours) > len(streams):
        mine = {one.connection.frames.syn for one in unit.ours}
        repeated = 0
        for stream in streams:
            known: set[tuple[End, int]] = set()
            for opening in stream.syns:
                key = (opening.sender, opening.isn)
                repeated += key in known and opening.frame in mine
                known.add(key)
        more = len(unit.ours) - len(streams)
        if repeated >= more:
            return rules.SAME_ISN
        late = sum(any(stream.first_frame < opening.frame in mine for opening in stream.syns) for stream in streams)
        unseen = sum(one.connection.handshake == "not-seen" for one in unit.ours)
        if min(late, unseen) >= more:
            return rules.LATE_SYN
        answers = {
            opening.frame for stream in streams for opening in stream.syn_acks if opening.frame != stream.first_frame
        }
        alone = sum(one.connection.frames.syn is None and one.connection.frames.synack in answers for one in unit.ours)
        if alone >= more:
            return rules.ANSWER_ALONE
        return rules.LATE_SYN if late + alone >= more else None
    opened = [one.connection.frames.syn or 0 for one in unit.ours]
    torn_off = [stream.first_frame for stream in _inside(unit)]
    before = sum(
        not stream.syns and stream.first_frame < max(opened, default=0) and stream.first_frame not in torn_off
        for stream in streams
    )
    if before and before == len(streams) - sum(opened_at > 0 for opened_at in opened):
        return rules.LATE_SYN
    again = _again(unit)
    if again:
        return again
    if any(stream.cut_frame == stream.first_frame and not stream.first.flags for stream in streams):
        return rules.CUT_HEADERS
    reset = sum(stream.resets_at_once for stream in streams)
    return rules.SYN_AND_RST if reset >= len(streams) - len(unit.ours) > 0 else None


def _again(unit: Unit) -> Rule | None:
    """The rule where the streams that are too many begin with what an earlier one had: the SYN of an attempt, or an
    answer to its SYN."""
    streams = [other.stream for other in sorted(unit.theirs, key=lambda other: other.stream.first_frame)]
    before: set[tuple[End, int]] = set()
    in_vain: set[tuple[End, int]] = set()
    asked, answered = 0, 0
    for stream in streams:
        first = stream.first
        if any(opening.frame == first.frame for opening in stream.syns):
            asked += (first.sender, first.isn) in in_vain
        elif any(opening.frame == first.frame for opening in stream.syn_acks):
            answered += any(first.ack == (isn + 1) % WRAP for sender, isn in before if sender != first.sender)
        syns = {(opening.sender, opening.isn) for opening in stream.syns}
        before |= syns
        in_vain |= set() if stream.complete else syns
    if not 0 < len(streams) - len(unit.ours) <= asked + answered:
        return None
    return rules.TRIED_AGAIN if asked else rules.ANSWERED_AGAIN


def _answered_first(unit: Unit) -> Rule | None:
    """The rule where the capture has the SYN-ACK before its SYN, or other packets, which are a stream without a SYN."""
    frames = [one.connection.frames for one in unit.ours]
    if any(each.synack and each.syn and each.synack < each.syn for each in frames):
        return rules.LATE_SYN
    begun = [other.stream.first_frame for other in unit.theirs if not other.stream.syns]
    return rules.LATE_SYN if any(each.syn and each.syn > first for each in frames for first in begun) else None


def _requests_rule(unit: Unit, mine: int) -> Rule | None:
    """The rule by which tshark counts requests otherwise, by its sign."""
    streams = [other.stream for other in unit.theirs]
    requests = [message for stream in streams for message in stream.requests]
    if len(requests) > mine:
        if any("tls" in stream.above and stream.hello_frame for stream in streams):
            return rules.DECRYPTED
        if sum(message.http == 1 for message in requests) == mine:
            return rules.HTTP2
        answered = {(message.frame, message.sender) for stream in streams for message in stream.responses}
        asker = requests[0].sender
        if sum(message.sender == asker for message in requests) == mine:
            return rules.OTHER_ROLE
        if len(requests) - sum((message.frame, message.sender) in answered for message in requests) == mine:
            return rules.QUOTED_MESSAGE
        return None
    exchanges = [exchange for one in unit.ours for exchange in one.exchanges]
    if len(exchanges) - sum(exchange.method not in rules.METHODS for exchange in exchanges) == len(requests):
        return rules.METHOD_UNKNOWN
    return rules.CONNECT_TUNNEL if _lie_in_tunnels(unit, What.REQUESTS) else None


def _lie_in_tunnels(unit: Unit, what: What) -> bool:
    """Whether all messages that one side alone shows are ours, and inside of tunnels; or responses that made one."""
    inside: set[int] = set()
    for one in unit.ours:
        depth = next((each.depth for each in one.exchanges if _makes_tunnel(each)), 0)
        for exchange in one.exchanges:
            if what is What.REQUESTS and 0 < depth < exchange.depth:
                inside.add(exchange.request_frame or 0)
            elif what is What.RESPONSES and 0 < depth <= exchange.depth:
                inside.add(exchange.response_frame or 0)
    left = set(_unmatched(*_message_frames(unit, what)))
    return bool(left) and left <= inside


def _makes_tunnel(exchange: Exchange) -> bool:
    return exchange.method == "CONNECT" and exchange.status is not None and 200 <= exchange.status < 300


def _responses_rule(unit: Unit, mine: Numbers, other: Numbers) -> Rule | None:
    responses = [message for each in unit.theirs for message in each.stream.responses]
    finals = _finals(responses)
    if finals == mine.responses:
        return rules.INTERIM
    if _finals([message for message in responses if message.http == 1]) == mine.responses:
        return rules.HTTP2
    if any("tls" in each.stream.above and each.stream.hello_frame for each in unit.theirs):
        return rules.DECRYPTED
    if finals < mine.responses and _lie_in_tunnels(unit, What.RESPONSES):
        return rules.CONNECT_TUNNEL
    if finals > mine.responses and finals > min(mine.requests, other.requests):
        return rules.NO_REQUEST
    if finals > mine.responses and finals == sum(one.connection.responses for one in unit.ours):
        return rules.NO_REQUEST
    return None


def _finals(responses: Sequence[Message]) -> int:
    return sum(not message.word.startswith("1") or message.word == _FINAL_INTERIM for message in responses)


def missed(open_: Open) -> dict[int, list[bytes]]:
    """The frames in which messages begin that tshark does not show, and those in which several of ours do, with the
    first words of all messages there; none where it shows more than we do."""
    difference, unit = open_
    if difference.ours <= difference.theirs:
        return {}
    words: dict[int, list[bytes]] = {}
    for one in unit.ours:
        for exchange in one.exchanges:
            if difference.what is What.REQUESTS and exchange.request_frame:
                words.setdefault(exchange.request_frame, []).append(exchange.method.encode() + b" ")
            elif difference.what is What.RESPONSES and exchange.response_frame:
                words.setdefault(exchange.response_frame, []).append(b"HTTP/")
    unmatched = _unmatched(*_message_frames(unit, difference.what))
    return {frame: begun for frame, begun in words.items() if frame in unmatched or len(begun) > 1}


def surplus(open_: Open) -> dict[int, bytes]:
    """The frames of messages that only tshark shows, with their first words; none where it shows fewer than we do."""
    difference, unit = open_
    if difference.ours >= difference.theirs:
        return {}
    requests = difference.what is What.REQUESTS
    messages = [
        each for other in unit.theirs for each in (other.stream.requests if requests else other.stream.responses)
    ]
    words = {each.frame: each.word.encode() for each in messages}
    mine, others = _message_frames(unit, difference.what)
    return {frame: words[frame] for frame in _unmatched(mine, others) if frame in words}


def no_start_line(open_: Open, payloads: Mapping[int, bytes]) -> Open:
    """With the rule, if the first lines of all that only tshark shows are none of HTTP/1."""
    difference = open_.difference
    words = {} if any(other.stream.cut_frame for other in open_.unit.theirs) else surplus(open_)
    pattern = _REQUEST_LINE if difference.what is What.REQUESTS else _STATUS_LINE
    lines = [payloads.get(frame, b"").lstrip(b"\r\n").partition(b"\n")[0] for frame in words]
    if not lines or not all(lines) or any(pattern.match(line) for line in lines):
        return open_
    return open_.explained(rules.START_LINE)


def in_plain_sight(open_: Open, payloads: Mapping[int, bytes]) -> Open:
    """With the rule, if the first words of all that is missed stand in these payloads, as often as we say: what
    we count twice is no doing of tshark's."""
    words = missed(open_)
    if not words or not all(
        begun.count(word) <= _beginnings(payloads.get(frame, b""), word)
        for frame, begun in words.items()
        for word in begun
    ):
        return open_
    return open_.explained(rules.PLAIN_SIGHT)


def _beginnings(payload: bytes, word: bytes) -> int:
    """How often the word is in the payload; as much of its beginning as a segment's end has left, two bytes or all that
    there is, counts, too."""
    if payload and word.startswith(payload):
        return 1
    return payload.count(word) + any(payload.endswith(word[:size]) for size in range(2, len(word)))


def unseen(open_: Open) -> bool:
    """Whether it is of a connection of which tshark has nothing, and not explained."""
    return open_.difference.rule is None and not open_.unit.theirs


def streams_of_theirs_alone(open_: Open) -> list[int]:
    """Numbers of tshark's streams between ends of which we have no connection, where that is not explained."""
    if open_.difference.rule is not None or open_.unit.ours:
        return []
    return [other.number for other in open_.unit.theirs]


def theirs_alone(open_: Open, numbers: set[int], rule: Rule) -> Open:
    """With the rule, if only tshark has streams between these ends, and all of them are among these."""
    alone = streams_of_theirs_alone(open_)
    if not alone or not numbers.issuperset(alone):
        return open_
    return open_.explained(rule)


def opened_by(open_: Open) -> set[int]:
    """The frames that open tshark's streams and their handshakes, where we have other numbers of both between these
    ends, and that is not explained."""
    difference, unit = open_
    if difference.rule is not None or not unit.ours or difference.what not in (What.CONNECTIONS, What.HANDSHAKES):
        return set()
    streams = [other.stream for other in unit.theirs]
    return {frame for stream in streams for frame in _opening_frames(stream)}


def _opening_frames(stream: Stream) -> set[int]:
    opened = {opening.frame for opening in (*stream.syns, *stream.syn_acks)}
    return opened | {stream.first_frame, stream.complete} - {0}


def bad_openings(found: Sequence[Open], faulty: Collection[int]) -> list[Open]:
    """With the rule where heads with a fault, in these frames, open the streams and handshakes that only tshark has;
    and for all else between such ends, because what follows is of another stream in tshark."""
    units = [open_.unit for open_ in found if opened_by(open_) and _opened_badly(open_, faulty)]
    return [
        open_.explained(rules.BAD_HEADS)
        if open_.difference.rule is None and any(open_.unit is unit for unit in units)
        else open_
        for open_ in found
    ]


def _opened_badly(open_: Open, faulty: Collection[int]) -> bool:
    difference, unit = open_
    streams = [other.stream for other in unit.theirs]
    if difference.what is What.CONNECTIONS:
        bad = sum(stream.first_frame in faulty for stream in streams)
        bad += sum(stream.resets_at_once and stream.first_frame not in faulty for stream in streams) if bad else 0
    else:
        bad = sum(stream.complete > 0 and not _opening_frames(stream).isdisjoint(faulty) for stream in streams)
    return 0 < difference.theirs - difference.ours <= bad


def torn(open_: Open) -> bool:
    """Whether tshark has more streams than we have connections, and exactly those too many begin in the middle of one:
    without a SYN of their own, with the numbers of the stream before, and before we saw a close."""
    difference, unit = open_
    if difference.rule is not None or difference.what is not What.CONNECTIONS or not unit.ours:
        return False
    return 0 < difference.theirs - difference.ours == len(_inside(unit))


def _inside(unit: Unit) -> list[Stream]:
    """tshark's streams that begin in the middle of a connection."""
    streams = [other.stream for other in sorted(unit.theirs, key=lambda other: other.stream.first_frame)]
    return [
        stream
        for before, stream in pairwise(streams)
        if not (stream.syns or stream.syn_acks)
        and continues(stream, before)
        and any(_is_open(one.connection, stream.first_frame) for one in unit.ours)
    ]


def _is_open(connection: Connection, frame: int) -> bool:
    frames = connection.frames
    opened = min((each for each in (frames.syn, frames.synack, frames.ack) if each), default=0)
    return opened < frame <= (frames.first_close or frame)


def mended(open_: Open, seen: Seen) -> Open:
    """With the rule, if tshark, which read the file without the dissectors above TCP, has as many streams here as we
    have connections."""
    now = sum(stream.ends == open_.unit.ends for stream in seen.streams.values())
    rule = rules.OWN_CONVERSATION if now == open_.difference.ours else None
    return open_.explained(rule)


def below_tcp(open_: Open, layers: Mapping[int, Layers]) -> Open:
    """With the rule, if tshark finds no TCP in the frames of the difference, or its head cut off in all."""
    difference = open_.difference
    known = [layers[frame] for frame in difference.frames if frame in layers]
    if not known:
        return open_
    if not any("tcp" in each.names for each in known):
        return open_.explained(rules.BELOW_TCP)
    return open_.explained(rules.CUT_HEADERS) if all(each.cut for each in known) else open_


def hidden(open_: Open) -> list[tuple[int, ...]]:
    """Of each handshake or message that may be the one which only we count, the frames that it takes; none where that
    is explained, or tshark has as many."""
    difference, unit = open_
    if difference.rule is not None or difference.ours <= difference.theirs or not unit.theirs:
        return []
    if difference.what is What.HANDSHAKES:
        made = [one.connection.frames for one in unit.ours if one.connection.handshake == "complete"]
        return [tuple(each for each in (frames.syn, frames.synack, frames.ack) if each) for frames in made]
    if difference.what is What.CONNECTIONS:
        return []
    return [(frame,) for frame in missed(open_)]


def partly_below_tcp(open_: Open, layers: Mapping[int, Layers]) -> Open:
    """With the rule, if tshark finds no TCP in a frame of each of those."""
    without = {frame for frame, found in layers.items() if "tcp" not in found.names}
    affected = sum(not without.isdisjoint(frames) for frames in hidden(open_))
    if not 0 < open_.difference.ours - open_.difference.theirs <= affected:
        return open_
    return open_.explained(rules.BELOW_TCP)


def translated(found: Sequence[Open], seen: Seen, notes: Collection[str]) -> list[Open]:
    """With the rule, where the handshake of a stream that tshark alone has bears the numbers of another one's, and the
    report says that it leaves such connections out."""
    if _TRANSLATED not in notes:
        return list(found)
    ends: dict[tuple[int, int], set[Ends]] = {}
    for stream in seen.streams.values():
        for numbers in _numbers_of_handshake(stream):
            ends.setdefault(numbers, set()).add(stream.ends)

    def is_twin(unit: Unit) -> bool:
        return all(any(len(ends[one]) > 1 for one in _numbers_of_handshake(other.stream)) for other in unit.theirs)

    return [
        open_.explained(rules.TRANSLATED) if not open_.unit.ours and is_twin(open_.unit) else open_ for open_ in found
    ]


def _numbers_of_handshake(stream: Stream) -> set[tuple[int, int]]:
    return {(syn.isn, answer.isn) for syn in stream.syns for answer in stream.syn_acks}


def last_resort(open_: Open, notes: Collection[str]) -> Open:
    """The rules that say only that something is amiss, for what nothing more exact explains. `notes` are the codes of
    those in the report."""
    difference, unit = open_
    if difference.rule is not None or difference.what not in (What.REQUESTS, What.RESPONSES):
        return open_
    streams = [other.stream for other in unit.theirs]
    rule = None
    if any(stream.cut_frame for stream in streams):
        rule = rules.CUT_PACKETS
    elif difference.ours < difference.theirs and "http-head-unfinished" in notes:
        rule = rules.UNFINISHED_HEAD
    elif difference.what is What.RESPONSES and "http-framing" in notes:
        rule = rules.BAD_FRAMING
    elif any(stream.lost_frame for stream in streams):
        rule = rules.BYTES_MISSING
    elif streams and not any(stream.syns for stream in streams):
        rule = rules.BEGINS_INSIDE
    return open_.explained(rule)


def settled(open_: Open, seen: Seen, rule: Rule) -> Open:
    """With the rule, if tshark, which read the file again under other settings, now counts as we do."""
    difference, unit = open_
    streams = [seen.streams[other.number] for other in unit.theirs if other.number in seen.streams]
    if difference.what is What.REQUESTS:
        now = numbers_of(streams).requests
    elif difference.what is What.RESPONSES:
        now = _finals([message for stream in streams for message in stream.responses])
    else:
        return open_
    return open_.explained(rule) if now == difference.ours else open_
