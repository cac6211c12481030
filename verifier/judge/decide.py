"""Everything known, weighed into one report: for saved captures (`of_files`) and for live runs (`of_run`)."""

from __future__ import annotations

from verifier.figures import plural
from verifier.judge import mends, verdict
from verifier.judge.details import REUSES, Details, Numbering, address
from verifier.judge.lacking import CUT_OFF, FRAMED, HIDDEN, UNTOLD, lacking
from verifier.judge.model import (
    Missing,
    Note,
    Report,
    RunRequest,
    Totals,
)
from verifier.judge.pairs import Counted, Pairs
from verifier.judge.tally import Tally, reuse
from verifier.values import NamedTuple
from verifier.vocabulary import Reason, Reuse, Verdict
from verifier.wire.tables import CLOCKS_APART

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.clients.run import Request, Run
    from verifier.judge.attribute import Attribution
    from verifier.judge.diagnose import Diagnosis
    from verifier.judge.facts import Account
    from verifier.judge.model import Endpoint
    from verifier.judge.options import Expectations, Selection
    from verifier.judge.twins import Twins
    from verifier.sources.facts import LiveFacts, Source
    from verifier.wire.merge import Runs
    from verifier.wire.tables import ExchangeTable, Ledger


SEEN_TWICE = "port-reuse-same-isn"
DISORDERED = "times-disordered"
WENT_BACK = "time-went-back"
ANSWERED_BEFORE = "answered-before"
FINDINGS_LIMIT = "findings-limit"
TRANSLATED = "address-translated"
"""Connections seen on both sides of an address translation, which count once."""
UNSURE = "translation-unsure"
"""Connections that may be others, seen on both sides of one."""

# What `lacking` counts, in its order: the reason, its words for one connection, and for several.
LACKS = (
    (
        Reason.HANDSHAKE_NOT_SEEN,
        "a connection carried data, and its handshake is not whole in the capture",
        "{} connections carried data, and their handshakes are not whole in the capture",
    ),
    (
        Reason.REQUESTS_UNREADABLE,
        "the requests of a connection can't be read: ",
        "the requests of {} connections can't be read: ",
    ),
    (
        Reason.BYTES_MISSING,
        "bytes of a connection are not in the capture",
        "bytes of {} connections are not in the capture",
    ),
)
WHYS = (
    (HIDDEN, "encrypted by TLS", mends.HIDDEN_BY_TLS),
    (FRAMED, "HTTP/2", mends.BY_HANDSHAKES),
    (CUT_OFF, "cut off by the snaplen", mends.WHOLE_PACKETS),
)
"""What makes requests unreadable, and what would settle it."""
OR_UNTOLD = ", or can't be told apart into messages"
"""What bytes may be that don't show whether others are missing."""


class Counts(NamedTuple):
    """What the engine counted beside its tables."""

    packets: int
    tcp_packets: int


class Case(NamedTuple):
    """What a capture holds, however it was made."""

    ledger: Ledger
    counts: Counts
    sources: tuple[Source, ...]
    runs: Runs | None = None
    """Which frame of which source each packet was; None where there is one source."""


def of_files(case: Case, selection: Selection, expectations: Expectations) -> Report:
    """The report on saved captures."""
    wanted = chosen(case.ledger, selection)
    if not case.ledger.connections.twins:
        return _reading(case, wanted, None, expectations)
    from verifier.judge.twins import twins

    found = twins(case.ledger, wanted)
    report = _reading(case, wanted, found, expectations)
    if report.verdict is Verdict.INCONCLUSIVE:
        return report
    others = (_reading(case, wanted, found._replace(far=rows, unsure=()), expectations) for rows in found.readings)
    if all(other.verdict is report.verdict for other in others):
        return report
    return _reading(case, wanted, found._replace(decisive=True), expectations)


def _reading(case: Case, wanted: bytearray, found: Twins | None, expectations: Expectations) -> Report:
    """The report on saved captures of which these connections are twins of others."""
    left = bytearray(wanted)
    for row in found.far if found is not None else ():
        left[row] = 0
    bench = _Bench(case, Scope(case.ledger.exchanges, bytes(left), None, twins=found))
    missing = bench.missing_from_capture() + bench.missing_from_packets()
    return bench.report(missing, expectations)


def of_run(case: Case, run: Run, live: LiveFacts, expectations: Expectations) -> Report:
    """The report on a live run: only the client's own connections count."""
    from verifier.judge.attribute import Attribution

    attribution = Attribution(case.ledger, run, live.control_only)
    bench = _Bench(case, Scope(attribution.exchanges, attribution.wanted, live, attribution.account()))
    missing = missing_from_run(run, live) + bench.missing_from_capture() + attribution.missing
    missing += bench.missing_from_packets()
    if missing:
        # The packets may lack requests. The client knows them all: as many connections were needed as it kept busy.
        bench.raise_bounds(attribution.peaks())
        bench.all_counted = False
    if bench.diagnose() is not None and bench.races:
        # The client knows how many requests it had at once, those that waited for a connection among them.
        bench.raise_bounds(attribution.asked())
    report = bench.report(missing, expectations)
    if not all(attribution.wanted):
        report = report._replace(notes=())  # which may be of others' connections
    return report._replace(live=live, client=run.client, run=tuple(run_requests(attribution)))


def chosen(ledger: Ledger, selection: Selection) -> bytearray:
    """A byte for each connection: whether it is selected."""
    table = ledger.connections
    if not (selection.ports or selection.hosts or selection.clients):
        return bytearray(b"\x01" * table.rows)
    wanted = bytearray(table.rows)
    named = hosts_of(ledger) if selection.hosts else {}
    column = {name: table.column(name) for name in ("hi0", "lo0", "hi1", "lo1", "port0", "port1", "version", "client")}
    for row in range(table.rows):
        client = column["client"][row]
        server = 1 - client
        ips = [
            address(column[f"hi{side}"][row], column[f"lo{side}"][row], column["version"][row])
            for side in (client, server)
        ]
        wanted[row] = (
            (not selection.ports or column[f"port{server}"][row] in selection.ports)
            and (not selection.clients or ips[0] in selection.clients)
            and (
                not selection.hosts
                or ips[1] in selection.hosts
                or not named.get(row, set()).isdisjoint(selection.hosts)
            )
        )
    if selection.hosts:
        _add_nameless(ledger, wanted, named, selection)
    return wanted


def _add_nameless(ledger: Ledger, wanted: bytearray, named: dict[int, set[str]], selection: Selection) -> None:
    """Selects, beside the connections whose server was called by a name asked for, those of the same pair that show no
    name at all: their requests may be the ones that are missing."""
    every = b"\x01" * ledger.connections.rows
    pairs = Tally(ledger.connections, every, 0, False)
    asked = {pairs.pair(row) for row in range(ledger.connections.rows) if wanted[row]}
    others = chosen(ledger, selection._replace(hosts=()))
    for row in range(ledger.connections.rows):
        if others[row] and row not in named and pairs.pair(row) in asked:
            wanted[row] = 1


def hosts_of(ledger: Ledger) -> dict[int, set[str]]:
    """The names by which each connection's server was called: Host fields without port, and TLS server names."""
    names: dict[int, set[str]] = {}
    hosts = ledger.exchanges.column("host")
    for row, connection in enumerate(ledger.exchanges.column("connection")):
        host = ledger.words.text(hosts[row])
        if host:
            name = host.lower()
            head, colon, port = name.rpartition(":")
            names.setdefault(connection, set()).add((head if colon and port.isdigit() else name).strip("[]"))
    for connection, (name_bytes, *_) in ledger.connections.tls.items():
        if name_bytes:
            names.setdefault(connection, set()).add(name_bytes.decode("latin-1").lower())
    return names


def missing_from_run(run: Run, live: LiveFacts) -> list[Missing]:
    """Evidence that lacks because of how the run or its capture went."""
    missing: list[Missing] = []
    if not live.opened:
        text = "the capture did not see its own marker packets before the first request, so it may have begun too late"
        missing.append(Missing(Reason.CAPTURE_NOT_OPEN, text))
    if not live.drained:
        text = "the capture did not see its own marker packets after the last request, so its end may be missing"
        missing.append(Missing(Reason.CAPTURE_NOT_DRAINED, text))
    if run.interrupted:
        made = len({request.number for request in run.requests})
        text = f"interrupted after {made} of {run.planned} {plural(run.planned, 'request')}"
        missing.append(Missing(Reason.INTERRUPTED, text))
    failed = [request for request in run.requests if request.error and request.sent_ns is None]
    if failed:
        those = f"{len(failed)} of {len(run.requests)} requests {'was' if len(failed) == 1 else 'were'}"
        if len(run.requests) == 1:
            those = "the one request was"
        text = f"{those} never sent: {failed[0].url}: {failed[0].error}"
        missing.append(Missing(Reason.REQUEST_FAILED, text))
    return missing


def run_requests(attribution: Attribution) -> list[RunRequest]:
    """The client's requests, each with the connection that the packets show for it."""
    depths: dict[int, int] = {}
    state, flags = attribution.columns["state"], attribution.columns["flags"]
    result: list[RunRequest] = []
    for request in run_order(attribution.run):
        row = attribution.row_of(request)
        kind = Reuse.UNKNOWN
        if row is not None and request.sent_ns is not None:
            depths[row] = depths.get(row, 0) + 1
            kind = REUSES[reuse(state[row], flags[row], 0, depths[row])]
        result.append(
            RunRequest(
                number=request.number,
                method=request.method,
                url=request.url,
                status=request.status,
                error=request.error,
                duration_ns=request.ended_ns - request.started_ns,
                connection=row,
                reuse=kind,
            )
        )
    return result


def run_order(run: Run) -> list[Request]:
    """Requests in the order in which they were sent."""
    return sorted(run.requests, key=lambda request: request.began_ns)


class Scope(NamedTuple):
    """Which part of a case the report is on."""

    exchanges: ExchangeTable
    wanted: bytes
    """A byte for each connection: whether it counts."""
    live: LiveFacts | None
    """Of a live run, whose client knows all its requests; None for saved captures."""
    account: Account | None = None
    """What that client says of its connections."""
    twins: Twins | None = None
    """Connections that are others of these, or may be."""


class _Bench:
    """One case with its counts, from which the parts of the report are made."""

    def __init__(self, case: Case, scope: Scope) -> None:
        self.case = case
        self.wanted = scope.wanted
        self.client_knows = scope.live is not None
        self.control_only = scope.live is not None and scope.live.control_only
        self.frames = Numbering(case.runs if len(case.sources) > 1 else None)
        ends = [source.last_ns for source in case.sources if source.last_ns is not None]
        self.tally = Tally(case.ledger.connections, scope.wanted, max(ends, default=0), self.control_only)
        self.tally.add_exchanges(scope.exchanges)
        self.details = Details(case.ledger, scope.exchanges, self.tally, self.frames)
        self.columns = self.details.columns
        self.exchanges = scope.exchanges
        self.account = scope.account
        self.twins = scope.twins
        self.races: dict[int, int] = {}
        """By pair: extra connections of which packets can't show whether they were needed."""
        self.fields = {name: self.tally.field(name) for name in self.tally.FIELDS}
        self.known = [
            self.client_knows or not (unreadable or missed)
            for unreadable, missed in zip(self.fields["unreadable"], self.fields["missed"], strict=True)
        ]
        """For each pair, whether all its requests are: that its lower bound can't be higher than it seems."""
        self.readable = list(self.known)
        """The same, as far as its own packets tell."""
        self.all_counted = all(self.known)
        """Whether every request is among the exchanges: that shares of them can't be other than they seem."""
        self._bound(self._bounds())

    def _bounds(self) -> memoryview:
        """Each pair's lower bound. Where requests are unreadable no more can have been under way than connections were
        open: the extra handshakes above that bound are the least there can be. 0 where nothing shows that the pair
        speaks HTTP."""
        bounds = memoryview(bytearray(self.fields["least"])).cast("i")
        if any(self.fields["unreadable"]) and not self.client_knows:
            most_open = self.tally.most_open()
            for pair, unreadable in enumerate(self.fields["unreadable"]):
                if unreadable:
                    bounds[pair] = max(bounds[pair], most_open[pair])
        return bounds

    def _bound(self, bounds: memoryview) -> None:
        """Settles the lower bounds, and what follows from them."""
        self.bounds = bounds
        self.tally.mark_extra(bounds)
        self.totals = self._totals()

    def raise_bounds(self, peaks: dict[int, int]) -> None:
        """Takes the client's own peak concurrency, by connection, where it is above what the packets show."""
        bounds = self.bounds
        for row, peak in peaks.items():
            pair = self.tally.pair(row)
            bounds[pair] = max(bounds[pair], peak)
        self._bound(bounds)

    def _totals(self) -> Totals:
        field = self.fields
        counts = self.case.counts
        return Totals(
            packets=counts.packets,
            tcp_packets=counts.tcp_packets,
            connections=sum(field["connections"]),
            handshakes=sum(field["handshakes"]),
            failed_attempts=sum(field["failed"]),
            requests=sum(field["requests"]),
            responses=sum(field["responses"]),
            reused_requests=sum(field["reused"]),
            unknown_requests=sum(field["unknown"]),
            lower_bound=sum(self.bounds),
            extra_handshakes=sum(field["extra"]),
            cost_ns=sum(field["cost_ns"]),
            connect_requests=self.tally.connect_requests,
        )

    def _notes(self, diagnosis: Diagnosis | None) -> tuple[Note, ...]:
        """What the engine noted, and what of the findings is left off."""
        notes = [
            Note(code, count, self.frames.local(frame) or 0, self.frames.source(frame))
            for code, count, frame in self.case.ledger.notes.seen()
        ]
        if self.twins is not None:
            for code, rows in ((TRANSLATED, self.twins.far), (UNSURE, self.twins.unsure)):
                if rows:
                    frame = self.columns["first_frame"][rows[0]]
                    notes.append(Note(code, len(rows), self.frames.local(frame) or 0, self.frames.source(frame)))
        if diagnosis is not None and diagnosis.left_off:
            notes.append(Note(FINDINGS_LIMIT, diagnosis.left_off, 1))
        return tuple(notes)

    def diagnose(self) -> Diagnosis | None:
        """Why connections were opened; nothing where there is but one, and nothing odd about it."""
        if not self.tally.curious:
            return None
        from verifier.judge.diagnose import Diagnosis, Matter

        diagnosis = Diagnosis(Matter(self.case.ledger, self.exchanges, self.tally, self.details, self.account))
        self.races = diagnosis.races()
        self.details.diagnosis = diagnosis
        return diagnosis

    def _race(self) -> Missing | None:
        """That extra connections may have been needed, where nothing else is open."""
        count = sum(self.races.values())
        if not count:
            return None
        those = "1 connection was" if count == 1 else f"{count} connections were"
        text = (
            f"{those} opened while the others were in use or being opened, and one of these was free again before a"
            " request went out on the new one: packets can't show whether it was needed"
        )
        return Missing(Reason.CLOSE_RACE, text)

    def _pairs(self, diagnosis: Diagnosis | None) -> Pairs:
        causes = {} if diagnosis is None else diagnosis.causes
        return Pairs(Counted(self.fields, self.bounds, causes, self.readable), self.details)

    def missing_from_capture(self) -> list[Missing]:
        """Packets that the capture says it lost, and files that end in damage: any pair's requests may have been among
        them."""
        missing: list[Missing] = []
        for source in self.case.sources:
            if source.dropped:
                where = "interface" if source.live else "capture"
                packets, them = ("1 packet", "it") if source.dropped == 1 else (f"{source.dropped:,} packets", "them")
                text = f"the kernel dropped {packets} before the {where} {source.name} could have {them}"
                missing.append(Missing(Reason.DROPPED_PACKETS, text))
            if source.truncated:
                missing.append(Missing(Reason.CAPTURE_TRUNCATED, f"{source.name}: {source.problem}"))
        for code, count, frame in self.case.ledger.notes.seen():
            if code not in mends.UNREAD:
                continue
            what, mend = mends.UNREAD[code]
            text = (
                f"{count:,} {plural(count, 'packet')} could not be read: {what} ({code}), first in"
                f" {self.frames.named(frame)}"
            )
            missing.append(Missing(Reason.PACKETS_UNREADABLE, text, mend))
        if not self.client_knows:
            missing += self._seen_twice()
        for code, _, frame in self.case.ledger.notes.seen():
            if code == DISORDERED and not self.client_knows and self._hinges_on_times():
                text = (
                    f"packets have earlier times than others in front of them, first in {self.frames.named(frame)}:"
                    " whether requests were under way at the same time depends on which of the two is right, their"
                    " times or their order"
                )
                missing.append(Missing(Reason.TIMES_UNSURE, text))
        wanted = self.wanted
        doubts = [row for row, other in self.case.ledger.connections.doubts if wanted[row] or wanted[other]]
        if doubts and not self.client_knows:
            count = len(doubts)
            those, they = ("1 connection has", "it") if count == 1 else (f"{count} connections have", "they")
            first = self.frames.named(self.case.ledger.connections.column("first_frame")[doubts[0]])
            text = (
                f"{those} the addresses and ports of one that was open in another tunnel, first in {first}:"
                f" {they} may be of the same client, or of another network with the same addresses"
            )
            missing.append(Missing(Reason.NETWORKS_UNSURE, text))
        elif not self.client_knows:
            missing += self._networks_untold()
        if missing:
            self.known = [self.client_knows] * self.tally.pairs
            self.all_counted = False
        return missing

    def _seen_twice(self) -> list[Missing]:
        """Traffic that may be in the capture twice: in the same words, or with other addresses."""
        missing: list[Missing] = []
        noted = self._copies()
        if noted:
            count = max(count for count, _ in noted)
            those = "1 connection has" if count == 1 else f"{count} connections have"
            text = (
                f"{those} the initial sequence number of one closed before on the same ends, first in"
                f" {self.frames.named(min(frame for _, frame in noted))}: the same traffic may be in the capture twice"
            )
            missing.append(Missing(Reason.SEEN_TWICE, text))
        twins = self.twins
        if twins is None or not twins.decisive:
            return missing
        if twins.unsure:
            count = len(twins.unsure)
            those, they = ("1 connection has", "it is one") if count == 1 else (f"{count} connections have", "they are")
            text = (
                f"{those} the initial sequence numbers of another one between other addresses, first in"
                f" {self.frames.named(self.columns['first_frame'][twins.unsure[0]])}: whether {they} on the other"
                " side of an address translation, and which side is the client's, packets don't show"
            )
            missing.append(Missing(Reason.SEEN_TWICE, text, mends.ONE_SIDE))
        else:
            text = (
                "connections were seen on both sides of an address translation, first in"
                f" {self.frames.named(self.columns['first_frame'][twins.far[0]])}, and others on its far side"
                " alone: whose these are packets don't show"
            )
            missing.append(Missing(Reason.SEEN_TWICE, text, mends.ONE_SIDE))
        return missing

    def _copies(self) -> list[tuple[int, int]]:
        """How many connections have the numbers of another one on the same ends, and the first frame of these: by their
        SYNs, as they came, and by their handshakes, however far apart."""
        if self.client_knows:
            return []
        noted = [(count, frame) for code, count, frame in self.case.ledger.notes.seen() if code == SEEN_TWICE]
        if self.twins is not None and self.twins.again:
            noted.append((len(self.twins.again), self.columns["first_frame"][self.twins.again[0]]))
        return noted

    def _hinges_on_times(self) -> bool:
        """Whether more or fewer handshakes would be extra if packets were sent in the order in which they stand. Of a
        connection inside of which times go back nothing tells: no packet counts as earlier than the ones in front of
        it, so that requests are under way at once by both which in truth followed one another."""
        placed = self.tally.peaks_in_order(self.exchanges)
        alone = (1,) if any(code == WENT_BACK for code, _, _ in self.case.ledger.notes.seen()) else ()
        return any(
            handshakes > min(peak, other, *alone) < max(peak, other, least)
            for peak, other, least, handshakes in zip(
                self.fields["peak"], placed, self.fields["least"], self.fields["handshakes"], strict=True
            )
        )

    def _networks_untold(self) -> list[Missing]:
        """That pairs with the same addresses may be one: some were told apart by their tunnels, and these not from
        them."""
        table = self.case.ledger.connections
        if table.networks is None:
            return []
        met: dict[tuple[Endpoint, str], list[int]] = {}
        for row in self.fields["first_row"]:
            client = self.columns["client"][row]
            ends = (self.details.endpoint(row, 1 - client), self.details.endpoint(row, client).ip)
            others = met.setdefault(ends, [])
            if any(frozenset((table.networks[row], table.networks[other])) not in table.told for other in others):
                first = self.frames.named(table.column("first_frame")[row])
                text = (
                    f"the connections between {ends[1]} and {ends[0].ip} come in tunnels of several networks, and the"
                    f" tunnel of those from {first} on in one that nothing shows: they may be of one of these"
                )
                return [Missing(Reason.NETWORKS_UNSURE, text)]
            others.append(row)
        return []

    def missing_from_packets(self) -> list[Missing]:
        """What the packets themselves show to be missing or unreadable."""
        missing: list[Missing] = []
        for (count, row, why), (reason, one, many) in zip(lacking(self.tally, self.client_knows), LACKS, strict=True):
            if count:
                frame = self.frames.named(self.columns["first_frame"][row])
                what = one if count == 1 else many.format(count)
                those = [(words, mend) for bit, words, mend in WHYS if why & bit]
                what += ", or ".join(words for words, _ in those) + (OR_UNTOLD if why & UNTOLD else "")
                first = "" if count == 1 else "the first of them "
                mend = "; ".join(mend for _, mend in those)
                missing.append(Missing(reason, f"{what} ({first}connection {row}, which begins in {frame})", mend))
        if missing:
            self.all_counted = False
        if not self.client_knows:
            missing += self._clocks_apart()
        if not self.totals.requests and not any(self.fields["unreadable"]) and not missing:
            missing.append(Missing(Reason.NO_REQUEST, self._no_request()))
        return missing

    def _clocks_apart(self) -> list[Missing]:
        """That packets were captured behind others that answer them: by different clocks, so that nothing tells whether
        the pair's requests were under way at the same time. Of one handshake nothing hinges on that."""
        noted = [frame for code, _, frame in self.case.ledger.notes.seen() if code == ANSWERED_BEFORE]
        if not noted:
            return []
        apart = {self.tally.pair(row) for row, flags in enumerate(self.columns["flags"]) if flags & CLOCKS_APART}
        pairs = [pair for pair in apart if pair >= 0 and self.fields["handshakes"][pair] > 1]
        for pair in pairs:
            self.known[pair] = False
        text = (
            f"packets were answered before they were captured, first {self.frames.named(noted[0])}: they come from"
            " several clocks, and whether requests were under way at the same time does not show"
        )
        return [Missing(Reason.TIMES_UNSURE, text)] if pairs else []

    def _no_request(self) -> str:
        totals = self.totals
        if not totals.packets:
            return "the capture has no packet"
        if any(code in mends.UNREAD for code, _, _ in self.case.ledger.notes.seen()):
            return "no HTTP request is in the packets that can be read"
        if not totals.connections:
            packets = "the one packet does not belong"
            if totals.packets > 1:
                packets = f"none of the {totals.packets:,} packets belongs"
            chosen_from = len(self.columns["first_frame"])
            return f"{packets} to a TCP connection{' that was asked for' if chosen_from else ''}"
        return "no HTTP request is in the packets"

    def _mend(self, missing: Missing, reasons: int) -> str:
        """What would settle this one of so many. That nothing is there is settled with whatever hides it."""
        totals = self.totals
        if self.client_knows or (missing.code is Reason.NO_REQUEST and reasons > 1):
            return ""
        if missing.code is Reason.NO_REQUEST and not all(self.wanted):
            return mends.CHOSEN
        if missing.code is Reason.NO_REQUEST and 0 < totals.connections == totals.failed_attempts:
            return mends.NOT_ANSWERED
        if missing.code is Reason.BYTES_MISSING and not any(self.columns["missing"]):
            return ""  # it is how the messages are told apart that is in doubt
        return missing.mend or mends.MENDS.get(missing.code, "")

    def _unsure(self) -> str:
        """Nothing is missing but what would tell on which side of a limit the count is."""
        number = sum(self.fields["unsure"])
        what = "a connection" if number == 1 else f"{number} connections"
        whose = "its handshake is" if number == 1 else "their handshakes are"
        return f"{what} may have been opened while the capture ran: {whose} not whole in it"

    def _measured(self) -> verdict.Measured:
        totals = self.totals
        return verdict.Measured(
            connections=totals.connections,
            handshakes=totals.handshakes,
            perhaps_handshakes=sum(self.fields["unsure"]),
            requests=totals.requests,
            reused=totals.reused_requests,
            perhaps_reused=totals.unknown_requests + sum(self.fields["pre_existing"]),
            extra=totals.extra_handshakes,
            certain_extra=sum(
                extra - self.races.get(pair, 0)
                for pair, (extra, sure) in enumerate(zip(self.fields["extra"], self.known, strict=True))
                if sure
            ),
            requests_known=self.all_counted,
            twice_handshakes=max((count for count, _ in self._copies()), default=0)
            + (len(self.twins.unsure) if self.twins is not None and self.twins.decisive else 0),
        )

    def report(self, missing: list[Missing], expectations: Expectations) -> Report:
        diagnosis = self.diagnose()
        result, results = verdict.weigh(expectations, self._measured(), missing)
        if result is Verdict.INCONCLUSIVE and not missing:
            missing.append(self._race() or Missing(Reason.HANDSHAKE_NOT_SEEN, self._unsure()))
        missing = [item._replace(mend=self._mend(item, len(missing))) for item in missing]
        return Report(
            verdict=result,
            expectations=results,
            inconclusive_because=tuple(missing),
            sources=self.case.sources,
            totals=self.totals,
            pairs=self._pairs(diagnosis),
            findings=() if diagnosis is None else diagnosis.findings,
            notes=self._notes(diagnosis),
            details=self.details,
        )
