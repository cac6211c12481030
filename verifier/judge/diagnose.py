"""From situations to findings: each pair's connections by cause, with evidence, measured limits and cost.

`endings`, `repetition` and `lineage` gather the facts, `causes` decides; here what was decided is put together. Work by
connection is done in those compiled modules; here are a few steps for each finding.
"""

from __future__ import annotations

from array import array

from verifier.figures import endpoint
from verifier.judge import facts as f
from verifier.judge import words
from verifier.judge.causes import NEARLY_CONCURRENT, NEEDED, RULES, UNKNOWN, decide
from verifier.judge.endings import Endings, speech
from verifier.judge.groups import Groups
from verifier.judge.lineage import Lineage
from verifier.judge.model import Evidence, Finding, Measured
from verifier.judge.peers import peers_of
from verifier.judge.relays import Relays
from verifier.judge.repetition import Repetition, alike
from verifier.judge.words import Group, listed, sentence, span, spread
from verifier.values import NamedTuple
from verifier.wire.tables import CLIENT, CLIENT_ALERT, CONNECT_REQUEST, RELAYED, SERVER, TLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from verifier.catalogue import Speakers
    from verifier.judge.details import Details
    from verifier.judge.facts import Account
    from verifier.judge.groups import Extent, Summary
    from verifier.judge.groups import Group as Grouped
    from verifier.judge.tally import Tally
    from verifier.wire.tables import ExchangeTable, Ledger

CONCURRENCY = "concurrency"
SHOWN = 3
"""Connections of a finding whose frames are cited."""
MOST_FINDINGS = 10_000
"""The weightiest: each takes some kilobytes. The causes of pairs count all."""
MOST_NAMES = 4
FIRST_SERVER_ERROR = 500
"""RFC 9110, section 15.6: from this status on it is the server that failed, and not the request."""
SECOND = 1_000_000_000

# Limits that show: the cause, and what its limit is called. By idle time, by count, by waiting time.
IDLE_LIMITS = {
    "server-idle-timeout": "server idle timeout",
    "server-reset-idle": "server idle timeout",
    "tls-close-notify": "server idle timeout",
    "client-idle-expiry": "client idle expiry",
    "balancer-idle-timeout": "balancer idle timeout",
}
COUNT_LIMITS = {"max-requests-announced": "max requests", "max-requests-silent": "max requests"}
WAIT_LIMITS = {"client-timeout": "client timeout"}
DROPPED = f.SERVER_FIRST | f.WAITING
RESET_BY_SERVER = f.SERVER_FIRST | f.BY_RESET
REFUSED_TUNNEL = f.TUNNEL | f.ERROR
SECRET = f.ENCRYPTED | f.TOLD
NOT_KEPT = f.SAID_CLOSE | f.HTTP10_RESPONSE | f.SERVER_FIRST
"""Signs that the server would not have kept a connection: its word, or that it closed first."""
CLOSED_BY_OLD = f.ASKED_CLOSE | f.HTTP10_REQUEST
BY_CLIENT = ("client-idle-expiry", "balancer-idle-timeout")
MOST_WAITS = 1000
NAMELESS = "none (as by its address)"
"""What TLS calls a server that the client names by its address."""


class Matter(NamedTuple):
    """What a diagnosis is made of."""

    ledger: Ledger
    exchanges: ExchangeTable
    tally: Tally
    details: Details
    account: Account | None = None
    """Of a live run."""


class Cause(NamedTuple):
    """What led to connections of one pair: rows of the table with the same cause."""

    pair: int
    cause: str
    parts: dict[int, int]
    """Rules to how many connections they decided on."""

    @property
    def size(self) -> int:
        return sum(self.parts.values())


class Diagnosis:
    """`findings`: what was found, the costliest first. `causes`: for each pair that has any, how many of its later
    connections have which cause."""

    def __init__(self, matter: Matter) -> None:
        self.matter = matter
        ledger, tally = matter.ledger, matter.tally
        self.peers = peers_of(ledger)
        self.exchanges = speech(matter.exchanges, ledger.turns, ledger.connections.rows)
        self.account = matter.account
        self.relays = Relays(tally, self.exchanges, ledger.words)
        told = self.account.facts if self.account else {}
        self.endings = Endings(tally, self.exchanges, self.peers, told, self.relays)
        self.repetition = Repetition(self.endings, self.peers)
        self.lineage = Lineage(tally, self.endings, ledger.words)
        self.peaks = tally.field("peak")
        self.columns = matter.details.columns
        read = ("end_ns", "request_ns", "status", "host", "flags", "depth")
        self.column = {name: self.exchanges.column(name) for name in read}
        self.frames = {name: self.exchanges.column(name) for name in ("request_frame", "response_frame", "end_frame")}
        self.groups = Groups(self.lineage, self._decided)
        self.rules = [rule_of(group) for group in self.groups.all]
        """By group."""
        self.causes = self._causes()
        findings = self._findings()
        self.findings = tuple(sorted(findings, key=lambda found: (-found.extra, -found.cost_ns, found.connections[0])))
        if self._is_odd():
            from verifier.judge.sightings import sightings

            self.findings += tuple(sightings(self))

    def _decided(self, ended: int, stands: int, extra: bool) -> int:
        """As `decided`, with what a live client says of its run."""
        account = self.account
        # Which requests followed redirects is not known where the client alone knows its requests.
        if account is not None and not account.session and not (account.redirected and ended & f.TOLD):
            stands |= f.SESSIONLESS
        return decided(ended, stands, extra)

    def races(self) -> dict[int, int]:
        """By pair: extra connections that were opened while all others were in use, as far as packets can show."""
        counted: dict[int, int] = {}
        for group, rule in zip(self.groups.all, self.rules, strict=True):
            if rule == NEARLY_CONCURRENT:
                counted[group.pair] = counted.get(group.pair, 0) + group.size
        return counted

    def _is_odd(self) -> bool:
        """Whether there may be something to tell beside the causes."""
        endings, tally = self.endings, self.matter.tally
        if endings.ignored_closes or endings.overlapping or endings.excess or endings.short or endings.crossed:
            return True
        return tally.pairs > 1 or any(peak > 1 for peak in self.peaks) or bool(self.matter.ledger.connections.tls)

    def rule(self, row: int) -> int | None:
        """The place in `RULES` of what decided on a connection; None where nothing had to."""
        number = self.groups.number(row)
        return None if number is None else self.rules[number]

    def cause(self, row: int) -> str | None:
        """Why a connection was opened although its pair had one; None for the first."""
        rule = self.rule(row)
        if rule is None:
            return CONCURRENCY if self.lineage.was_in_use(row) else None
        return RULES[rule].cause

    def _causes(self) -> dict[int, dict[str, int]]:
        """Of the pairs' connections, how many have which cause."""
        groups = self.groups.all
        counted: dict[int, dict[str, int]] = {}
        for place in self._settled():
            pair, cause = groups[place].pair, RULES[self.rules[place]].cause
            causes = counted.setdefault(pair, {})
            causes[cause] = causes.get(cause, 0) + groups[place].size
        for pair, concurrent in enumerate(self.lineage.in_use):
            if concurrent:
                causes = counted.setdefault(pair, {})
                causes[CONCURRENCY] = causes.get(CONCURRENCY, 0) + concurrent
        return counted

    def _settled(self) -> list[int]:
        """Places of the groups in the order of their first connections; extra ones that concurrency explains stand
        beside those that are not."""
        groups = self.groups.all
        first: dict[tuple[int, int], int] = {}
        for group in groups:
            first.setdefault((group.pair, group.number % len(RULES)), group.first)
        return sorted(
            range(len(groups)),
            key=lambda place: (first[groups[place].pair, groups[place].number % len(RULES)], groups[place].first),
        )

    # -- findings

    def _findings(self) -> list[Finding]:
        """One for each pair and cause."""
        groups = self.groups.all
        merged: dict[tuple[int, str], Cause] = {}
        for place in self._settled():
            pair, rule = groups[place].pair, self.rules[place]
            if rule == NEEDED:
                continue
            cause = RULES[rule].cause
            parts = merged.setdefault((pair, cause), Cause(pair, cause, {})).parts
            parts[rule] = parts.get(rule, 0) + groups[place].size
        weighty = sorted(merged.values(), key=lambda cause: -cause.size)
        self.left_off = max(0, len(weighty) - MOST_FINDINGS)
        del weighty[MOST_FINDINGS:]
        places = {(cause.pair, cause.cause): place for place, cause in enumerate(weighty)}
        rows = self.groups.gathered(
            [
                -1 if rule == NEEDED else places.get((group.pair, RULES[rule].cause), -1)
                for group, rule in zip(groups, self.rules, strict=True)
            ],
            [cause.size for cause in weighty],
        )
        found = [self._finding(cause, each) for cause, each in zip(weighty, rows, strict=True)]
        # What cost nothing, and is nobody's fault or not known to be, is no news.
        return [finding for finding in found if finding.extra or finding.cause not in (CONCURRENCY, UNKNOWN)]

    def _finding(self, decided: Cause, rows: memoryview) -> Finding:
        """Of the rows of the table that led to the same cause the one with most connections speaks for all."""
        from verifier import catalogue

        pair, cause = decided.pair, decided.cause
        rule = RULES[max(decided.parts, key=decided.parts.__getitem__)]
        blame = rule.blame or catalogue.CAUSES.get(cause, catalogue.UNKNOWN).blame
        found = self.groups.summary(rows)
        if cause == "error-closes" and min(found.statuses, default=0) >= FIRST_SERVER_ERROR:
            blame = "server"
        text = sentence(cause, self._group(decided, rows, found))
        speakers = self.speakers(rows)
        sure = cause != UNKNOWN and (rule.sure or self._told(cause))
        if not sure and cause != UNKNOWN:
            settle = catalogue.CAUSES[cause].settle or SETTLED_BY[blame]
            if blame == "client" and speakers.passes_on:
                settle = SETTLED_BY["proxy"]
            text += f". Packets alone can't prove it; what would: {settle[0].lower()}{settle[1:].rstrip('.')}"
        return Finding(
            cause=cause,
            confidence="certain" if sure else "consistent",
            blame=blame,
            pair=pair,
            connections=rows,
            text=text if text.endswith(".") else text + ".",
            advice=self._advice(rule.mend or cause, blame, rows),
            evidence=tuple(self._evidence(rows)),
            also=rule.also if rule.sure or not sure else (),
            measured=tuple(self._measured(pair, cause, rows, found)),
            extra=found.extra,
            cost_ns=found.cost_ns,
            packets=found.packets,
            bytes=found.octets,
        )

    def _advice(self, cause: str, blame: str, rows: Sequence[int]) -> str:
        """What to change; of two programs neither."""
        from verifier import catalogue

        if cause == "separate-pools" and self._other(rows):
            return catalogue.TWO_PROGRAMS
        return catalogue.remedy(cause, blame, self.speakers(rows))

    def _told(self, cause: str) -> bool:
        """Whether the live client's own account settles what packets leave open."""
        return self.account is not None and cause == "no-session" and not self.account.session

    def speakers(self, rows: Sequence[int]) -> Speakers:
        """Who speaks on connections, and those before them: what client and server call themselves."""
        from verifier.catalogue import Speakers

        before = self.lineage.predecessor(rows[0]) if len(rows) else -1
        bits = [self.endings.bits[one] for one in (before, *rows[:1]) if one >= 0]
        passes_on = any(each & f.FORWARDED for each in bits)
        # HTTP/1.0 that asks for a close: proxies do so by default (nginx: proxy_http_version), few clients do.
        named = not passes_on and not any(each & CLOSED_BY_OLD == CLOSED_BY_OLD for each in bits)
        agent = self._word("agent", rows) or (self.account.client if self.account is not None else None)
        software, proxy = self._word("software", rows), self._proxy(rows)
        return Speakers(agent if named else None, software, passes_on, bool(proxy) or self._is_relayed(rows), proxy)

    def _proxy(self, rows: Sequence[int]) -> str:
        """Whether the client takes the server of connections for a proxy: by what it asks for first."""
        from verifier import catalogue
        from verifier.judge.names import is_absolute

        text, targets = self.matter.ledger.words.text, self.exchanges.column("target")
        for row in rows[:1]:
            first = self.endings.first[row]
            if row in self.matter.ledger.connections.tunnels:
                return catalogue.TUNNEL
            if first >= 0 and targets[first] >= 0 and is_absolute(text(targets[first]) or ""):
                return catalogue.ASKED_FOR_URLS
        return ""

    def _is_relayed(self, rows: Sequence[int]) -> bool:
        """Whether the server of connections passes on what others answer, and so, maybe, their name."""
        if len(rows) and self.relays.relays(self.matter.tally.pair(rows[0])):
            return True
        shown = {one for row in rows[:SHOWN] for one in (self.lineage.predecessor(row), row) if one >= 0}
        lasts = [self.endings.last[row] for row in shown]
        flags = self.exchanges.column("flags")
        return any(flags[last] & RELAYED for last in lasts if last >= 0)

    def _word(self, name: str, rows: Sequence[int]) -> str | None:
        """The first of these that a connection, or the one before it, has."""
        for row in rows[:SHOWN]:
            for one in (self.lineage.predecessor(row), row):
                if one >= 0 and self.columns[name][one]:
                    return self.matter.ledger.words.text(self.columns[name][one] - 1)
        return None

    def _group(self, decided: Cause, rows: Sequence[int], found: Summary) -> Group:
        """What the sentence needs to know."""
        pair, cause = decided.pair, decided.cause
        before = self.lineage.predecessor(rows[0])
        ended, stands = memoryview(self.endings.bits), memoryview(self.lineage.bits)
        bits = ended[before] if before >= 0 else 0
        longest = self.repetition.longest.get(pair, 0)
        server = self.matter.details.endpoint(rows[0], 1 - self.columns["client"][rows[0]])
        statuses = sorted(found.statuses - {0})
        return Group(
            new=len(rows),
            server=endpoint(server),
            gap=extent(found.gap, span),
            pause=extent(found.pause, span),
            came=extent(found.came, span),
            reused=span(longest) if longest > 0 else "",
            at_next_use=found.adjacent * 2 > len(rows),
            lost=self._lost(found),
            most=self.peaks[pair],
            waited=extent(found.waited, span),
            counts=extent(found.count, counted),
            one=found.count.most == 1,
            statuses=listed([str(status) for status in statuses[:MOST_NAMES]]),
            names=listed(self._names(rows)),
            keeps_others=bool(bits & f.OTHERS_SAID_NOTHING),
            dropped=bits & DROPPED == DROPPED,
            goes_on=bool(stands[rows[0]] & f.GOES_ON),
            at_once=bool(bits & f.AT_ONCE),
            sessionless=bool(RULES[self.rule(rows[0]) or 0].stands & f.SESSIONLESS and bits & NOT_KEPT),
            name=self.name(rows[0]) or "",
            other=self._other(rows),
            was_open=not stands[rows[0]] & f.CLOSED,
            with_reset=bool(bits & f.BY_RESET),
            unfinished=bool(bits & f.PARTIAL),
            kinds=self._kinds(rows) if cause == UNKNOWN else {},
            server_reset=bits & RESET_BY_SERVER == RESET_BY_SERVER,
            closes_unread=bool(stands[rows[0]] & f.CLOSES_UNREAD),
            unheard=bool(bits & f.UNHEARD),
            encrypted=bits & SECRET == f.ENCRYPTED,
            refused=any(stands[row] & f.REFUSED_BETWEEN for row in rows[:MOST_WAITS]),
            announced=self._announced(before, bits),
            outlived=bool(bits & f.OUTLIVED),
            no_tunnel=all(RULES[rule].ended == REFUSED_TUNNEL for rule in decided.parts),
            some_no_tunnel=any(RULES[rule].ended == REFUSED_TUNNEL for rule in decided.parts),
            passes_on=bool(bits & f.FORWARDED),
            left=extent(found.left, counted) if found.lengths == len(rows) else "",
        )

    def _kinds(self, rows: Sequence[int]) -> dict[int, int]:
        """What is known of connections that nothing explains, and of how many each."""
        found: dict[int, int] = {}
        for row in rows[:MOST_WAITS]:
            kind = self._kind(row)
            found[kind] = found.get(kind, 0) + 1
        return found

    def _kind(self, row: int) -> int:
        before = self.lineage.predecessor(row)
        bits = self.endings.bits[before] if before >= 0 else 0
        was_open = not self.lineage.bits[row] & f.CLOSED
        if self.rule(row) == NEARLY_CONCURRENT:
            return words.IN_USE
        if self._broke_tls_off(row):
            return words.NO_TLS
        if self.endings.bits[row] & f.UNUSED:
            return words.UNUSED
        if bits & f.UNUSED:
            return words.BESIDE_UNUSED if was_open else words.AFTER_UNUSED
        if bits & DROPPED == DROPPED:
            return words.DROPPED
        if before < 0:
            return words.ALONE
        return words.BESIDE if was_open else words.GIVEN_UP

    def _broke_tls_off(self, row: int) -> bool:
        """Whether the client closed a connection inside of its TLS handshake."""
        protocol, agreed, closer = (self.columns[name][row] for name in ("protocol", "tls_ns", "closer"))
        return bool(protocol == TLS and not agreed and closer == CLIENT)

    def _announced(self, before: int, bits: int) -> str:
        """For how long the server had said that it keeps a connection, where its client did not wait for that."""
        said = self.columns["keep_timeout"][before] - 1 if before >= 0 else -1
        return f"{said:,} s" if bits & f.CLIENT_FIRST and 0 <= self.endings.gap(before) < said * SECOND else ""

    def _other(self, rows: Sequence[int]) -> str:
        """The other program's name, where all of these came after connections of one that calls itself differently."""
        if not all(self.lineage.bits[row] & f.OTHER_AGENT for row in rows[:MOST_WAITS]):
            return ""
        return self.matter.ledger.words.text(self.columns["agent"][self.lineage.predecessor(rows[0])] - 1) or ""

    def _lost(self, found: Summary) -> str:
        """The requests that got no response."""
        text = self.matter.ledger.words.text
        method, target = (self.exchanges.column(name) for name in ("method", "target"))
        named = [
            f"{text(method[row]) or ''} {text(target[row]) or ''}".strip()
            + (f" in {self.matter.details.frames.named(frame)}" if (frame := self.frames["request_frame"][row]) else "")
            for row in found.lost
            if method[row] >= 0
        ]
        if found.unanswered > len(named) > 0:
            named.append(f"{found.unanswered - len(named):,} more")
        return listed(named)

    def _names(self, rows: Sequence[int]) -> list[str]:
        """What the server was called on these connections and those before them."""
        names: list[str] = []
        for row in [one for new in rows[:100] for one in (self.lineage.predecessor(new), new) if one >= 0]:
            name = self.name(row)
            if name is None and row in self.matter.ledger.connections.nameless:
                name = NAMELESS
            if name and name not in names and len(names) < MOST_NAMES:
                names.append(name)
        return names

    def name(self, row: int) -> str | None:
        """What the server is called on a connection: by the first Host field, else by TLS."""
        first = self.endings.first[row]
        if first >= 0 and self.column["host"][first] >= 0:
            return self.matter.ledger.words.text(self.column["host"][first])
        tls = self.matter.ledger.connections.tls.get(row)
        return tls[0].decode("latin-1") if tls and tls[0] else None

    # -- evidence

    def _evidence(self, rows: Sequence[int]) -> Iterable[Evidence]:
        """The frames of the first few: how the one before was used and ended, and the new handshake."""
        latest: Evidence | None = None
        for row in rows[:SHOWN]:
            for evidence in self._evidence_of(row):
                # The CONNECT of a new one is not cited again where that is the one before.
                if evidence != latest:
                    yield evidence
                latest = evidence

    def _evidence_of(self, row: int) -> Iterable[Evidence]:
        before = self.lineage.predecessor(row)
        if before >= 0:
            yield from self._ending(row, before)
        yield from self.cite(self.columns["syn_frame"][row], f"SYN of #{row}: the new connection")
        if before >= 0 and self._connect_frame(before):
            yield from self.cite(self._connect_frame(row), f"CONNECT on #{row}")

    def _connect_frame(self, row: int) -> int:
        """Where a connection was asked to be the tunnel that it became, 0 where it became none."""
        made = self.matter.ledger.connections.tunnels.get(row)
        asked = self.endings.first[row] if made else -1
        # There may be others before: whole URLs, or a CONNECT that was refused.
        while asked >= 0 and made:
            if self.column["flags"][asked] & CONNECT_REQUEST and self.column["depth"][asked] == made[0]:
                return self.frames["request_frame"][asked]
            asked = self.endings.following(asked)
        return 0

    def _ending(self, row: int, before: int) -> Iterable[Evidence]:
        """What there is to see of the connection before, in the order of frames."""
        endings, column = self.endings, self.columns
        bits = endings.bits[before]
        source = self.lineage.redirect(row)
        if source >= 0:
            yield from self.cite(self.frames["response_frame"][source], "the redirect that led here")
        last = self._seen(row, before)
        found: list[tuple[int, str]] = []
        asked = self._connect_frame(before) if self._connect_frame(row) else 0
        if asked:
            found.append((asked, f"CONNECT on #{before}"))
        if last >= 0:
            status = self.column["status"][last]
            if self.frames["request_frame"][last] != asked:
                found.append((self.frames["request_frame"][last], f"request on #{before}"))
            if self.frames["end_frame"][last]:
                done = "end of the response" if status else "last data of the server"
                if bits & f.PARTIAL and last == self.endings.last[before]:
                    done = "last that came of the response"
                found.append((self.frames["end_frame"][last], f"{done}{f' {status}' if status else ''} on #{before}"))
        alerted = column["flags"][before] & CLIENT_ALERT
        if column["odd_frame"][before] and (alerted or bits & (f.EXCESS | f.UNASKED | f.ALERT | f.GOAWAY)):
            odd = "" if alerted else _odd(bits)
            what = ""
            if not odd:
                what = ", most likely close_notify" if column["tls_ns"][before] else ", inside of its handshake"
                odd = f"the {'client' if alerted else 'server'}'s TLS alert"
            found.append((column["odd_frame"][before], f"{odd} on #{before}{what}"))
        if column["again_frame"][before] and bits & f.UNACKNOWLEDGED:
            found.append((column["again_frame"][before], f"sent again, and not acknowledged, on #{before}"))
        if column["close_frame"][before]:
            late = self._how_late(before, found[-1][0] if found else 0) if last == endings.last[before] else ""
            found.append(
                (column["close_frame"][before], f"{_close(column['closer'][before], bits)} of #{before}{late}")
            )
        if column["answer_frame"][before] and bits & (f.SERVER_FIRST | f.BOTH_FIRST):
            found.append((column["answer_frame"][before], f"the client closes #{before}, too"))
        if self.lineage.bits[row] & f.GOES_ON and last >= 0 and endings.following(last) >= 0:
            found.append((self.frames["request_frame"][endings.following(last)], f"#{before} is used again"))
        for frame, note in sorted(found):
            yield from self.cite(frame, note)

    def _seen(self, row: int, before: int) -> int:
        """The last exchange of the one before that had begun when the new one was opened, or else its first, -1 for
        none."""
        seen = self.lineage.current(before, self.columns["opened"][row])
        return seen if seen >= 0 else int(self.endings.first[before])

    def _how_late(self, before: int, above: int) -> str:
        """How long after the end of what it carried a connection was closed; `above` is the frame cited before."""
        gap = self.endings.gap(before)
        last = self.endings.last[before]
        what = "the response" if last >= 0 and self.column["status"][last] else "the last data"
        if last >= 0 and 0 < above == self.frames["end_frame"][last]:
            what = "it"
        return f", {span(gap)} after {what}" if gap > 0 else ""

    def cite(self, frame: int, note: str) -> Iterable[Evidence]:
        """A frame of the engine's numbering as evidence, where there is one."""
        local = self.matter.details.frames.local(frame)
        if local is not None:
            yield Evidence(local, note, self.matter.details.frames.source(frame))

    # -- limits

    def _measured(self, pair: int, cause: str, rows: Sequence[int], found: Summary) -> Iterable[Measured]:
        """The limit that shows, from all connections of the pair that ended alike."""
        if (
            cause in IDLE_LIMITS
            and found.gap.most >= 0
            and not self.endings.bits[self.lineage.predecessor(rows[0])] & f.OUTLIVED
        ):
            if cause in BY_CLIENT and found.adjacent * 2 > len(rows):
                return  # it looked at its connections when it had a request: its pause is what shows, not its limit
            closers = f.CLIENT_FIRST if cause in BY_CLIENT else f.SERVER_FIRST | f.BOTH_FIRST
            yield from limit(IDLE_LIMITS[cause], self.repetition.idle_gaps(pair, closers))
        elif cause in COUNT_LIMITS and found.counts:
            usual = max(found.counts, key=found.counts.__getitem__)
            seen, closed = self.repetition.limited(pair, usual)
            if usual > 1 and seen > 1:
                yield Measured(COUNT_LIMITS[cause], float(usual), "requests", seen, closed)
        elif cause in WAIT_LIMITS:
            waits = [self._wait(self.lineage.predecessor(row)) for row in rows[:MOST_WAITS]]
            yield from limit(WAIT_LIMITS[cause], memoryview(array("q", [wait for wait in waits if wait >= 0])))

    def _wait(self, row: int) -> int:
        """From a connection's last request to its close; negative where that request came behind it."""
        last = self.endings.last[row]
        return int(self.columns["closed"][row] - self.column["request_ns"][last]) if last >= 0 else 0


SETTLED_BY = {
    "client": "the client's log, or its code",
    "server": "the server's log, or its configuration",
    "path": "a capture on the other side",
    "nobody": "the client's log",
    "proxy": "the proxy's configuration, or its log",
}
"""What would settle a finding whose cause names nothing better."""


def decided(ended: int, stands: int, extra: bool) -> int:
    """The place in `RULES` of what decides on a situation; behind the table again for extra connections that
    concurrency explains."""
    rule = decide(ended, stands)
    return rule + len(RULES) if extra and RULES[rule].cause == CONCURRENCY else rule


def rule_of(group: Grouped) -> int:
    """The place in `RULES` for a group of connections."""
    return group.number if group.number < len(RULES) else NEARLY_CONCURRENT


def limit(name: str, times: memoryview) -> Iterable[Measured]:
    """The time that most of these share; of a single one, that."""
    group = alike(times)
    if len(group):
        yield Measured(name, round(times[group[len(group) // 2]] / SECOND, 3), "s", len(group), len(times))
    elif len(times) == 1:
        yield Measured(name, round(times[0] / SECOND, 3), "s", 1, 1)


def extent(found: Extent, show: Callable[[int], str]) -> str:
    """`5.00 s`, `5.00 s to 7.20 s`, or nothing."""
    return spread([found.least, found.most], show) if found.most >= 0 else ""


def counted(amount: int) -> str:
    return f"{amount:,}"


def _close(closer: int, bits: int) -> str:
    who = "the client's" if closer == CLIENT else "the server's" if closer == SERVER else "both sides'"
    return f"{who} {'RST' if bits & f.BY_RESET else 'FIN'}"


def _odd(bits: int) -> str:
    if bits & f.GOAWAY:
        return "GOAWAY"
    if bits & f.UNASKED:
        return "a response whose request is not in the capture" if bits & f.DAMAGED else "a response to no request"
    return "bytes that belong to no response" if bits & f.EXCESS else ""
