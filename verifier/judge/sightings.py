"""What is worth telling although it cost no handshake: attempts that failed over, redirects and other addresses for the
same name, discarded connections, closes that were asked for and ignored, bytes too many, a socket used by two.

Each is looked for only where a cheap sign of it is there. A sighting never changes the verdict.
"""

from __future__ import annotations

from verifier.figures import endpoint
from verifier.judge import facts as f
from verifier.judge.model import Evidence, Finding
from verifier.judge.words import listed, number, span
from verifier.values import NamedTuple
from verifier.wire import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.judge.diagnose import Diagnosis

FALLBACK_NS = 130_000_000_000
"""Linux gives up an unanswered SYN after 127 s (tcp_syn_retries 6)."""
HEAD_START_NS = 100_000_000
"""Clients that race IPv6 and IPv4 try the second 0.1 s after the first, or later (RFC 8305, section 8)."""
GIVEN_UP_NS = 1_000_000_000
"""Within one family no address is given up before its SYN was sent once more, after a second (RFC 6298, section 2)."""
AT_ONCE_NS = 3_000_000_000
"""A client whose attempt was refused tries the next address at once; here with the time for another look-up."""
MOST = 1000
"""Pairs that are compared with each other; connections that a finding names."""
SHOWN = 3
NO_ANSWER = ("path-dropped", "server-restart")
"""Other causes of a close after a pause, with a request that got no response."""
NO_ANSWER_AT_ONCE = ("max-requests-silent", "server-restart")
"""... and without a pause."""
FAILED = (tables.REFUSED, tables.UNANSWERED)
NOT_OPENED = (*FAILED, tables.NOT_SEEN)


class Seen(NamedTuple):
    """One thing seen, on a pair."""

    cause: str
    pair: int
    rows: tuple[int, ...]
    text: str
    evidence: tuple[Evidence, ...]
    certain: bool = True
    also: tuple[str, ...] = ()


def sightings(diagnosis: Diagnosis) -> list[Finding]:
    """All of them, as findings that account for no extra handshake."""
    from verifier import catalogue

    findings: list[Finding] = []
    for seen in _all(_Eyes(diagnosis)):
        cause = catalogue.CAUSES[seen.cause]
        text = seen.text
        if not seen.certain and cause.settle:
            text += (
                f". Packets alone can't prove it; what would: {cause.settle[0].lower()}{cause.settle[1:].rstrip('.')}"
            )
        findings.append(
            Finding(
                cause=seen.cause,
                confidence="certain" if seen.certain else "consistent",
                blame=cause.blame,
                pair=seen.pair,
                connections=seen.rows,
                text=text + ".",
                advice=catalogue.remedy(seen.cause, cause.blame, diagnosis.speakers(seen.rows)),
                evidence=seen.evidence,
                also=seen.also,
            )
        )
    return findings


def _all(eyes: _Eyes) -> Iterable[Seen]:
    yield from eyes.fallbacks()
    yield from eyes.redirects()
    yield from eyes.rotations()
    yield from eyes.discards()
    yield from eyes.ignored_closes()
    yield from eyes.excess()
    yield from eyes.short_bodies()
    yield from eyes.races()
    yield from eyes.shared_sockets()
    yield from eyes.unused_tls()


class _Eyes:
    """Looks at what a diagnosis has gathered."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis
        self.endings = diagnosis.endings
        self.lineage = diagnosis.lineage
        self.columns = diagnosis.columns
        self.tally = diagnosis.matter.tally
        self.details = diagnosis.matter.details
        self.found = {(finding.pair, finding.cause) for finding in diagnosis.findings}
        self.first_rows = self.tally.field("first_row")
        self.pairs = self.tally.pairs
        self.ends = tuple(tuple(self.columns[f"{name}{side}"] for name in ("hi", "lo", "port")) for side in (0, 1))

    def _client(self, row: int) -> str:
        return self.details.endpoint(row, self.columns["client"][row]).ip

    def _server(self, row: int) -> tuple[str, int]:
        return self.details.endpoint(row, 1 - self.columns["client"][row])

    def _named(self, row: int) -> str:
        return endpoint(self._server(row))

    def _cite(self, *cited: tuple[int, str]) -> tuple[Evidence, ...]:
        return tuple(evidence for frame, note in cited for evidence in self.diagnosis.cite(frame, note))

    def _rows_by_pair(self, rows: Iterable[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for row in rows:
            found.setdefault(self.tally.pair(row), []).append(row)
        return found

    def _by_pair(self, exchanges: Iterable[int]) -> dict[int, list[int]]:
        """Exchanges sorted into the pairs of their connections."""
        found: dict[int, list[int]] = {}
        connection = self.diagnosis.exchanges.column("connection")
        for exchange in exchanges:
            pair = self.tally.pair(connection[exchange])
            if pair >= 0:
                found.setdefault(pair, []).append(exchange)
        return found

    def fallbacks(self) -> Iterable[Seen]:
        """Attempts at one address that failed, and the connection to another one that followed."""
        failed = self.tally.field("failed")
        if not any(failed):
            return
        state, opened = self.columns["state"], self.columns["opened"]
        good = [row for row in range(len(state)) if self.tally.pair(row) >= 0 and state[row] not in NOT_OPENED]
        good = [row for row in good if self._carried(row)]
        told: dict[tuple[int, int], list[tuple[int, int]]] = {}
        place = 0
        for row in range(len(state)):
            pair = self.tally.pair(row)
            if pair < 0 or state[row] not in FAILED:
                continue
            while place < len(good) and good[place] < row:
                place += 1
            patience = AT_ONCE_NS if state[row] == tables.REFUSED else FALLBACK_NS
            for other in good[place : place + 16]:
                if opened[other] - opened[row] > patience:
                    break
                if self._instead(row, other) and self._has_waited(row, other):
                    told.setdefault((pair, self.tally.pair(other)), []).append((row, other))
                    break
        for (pair, _), tries in list(told.items())[:MOST]:
            row, other = tries[0]
            how = "refused" if state[row] == tables.REFUSED else "never answered"
            cited = [
                cite
                for bad, fine in tries[:SHOWN]
                for cite in (
                    (self.columns["syn_frame"][bad], f"SYN to {self._named(bad)}: {how}"),
                    (self.columns["syn_frame"][fine], f"SYN to {self._named(fine)}: connected"),
                )
            ]
            were = "was" if len(tries) == 1 else "were"
            text = (
                f"{number(len(tries), 'attempt')} at {self._named(row)} {were} {how}, and"
                f" the client went on to {self._named(other)}, {span(max(0, opened[other] - opened[row]))} later"
            )
            rows = tuple(dict.fromkeys(fine for _, fine in tries[:MOST]))
            yield Seen("address-fallback", pair, rows, text, self._cite(*dict.fromkeys(cited)))

    def _instead(self, row: int, other: int) -> bool:
        """Whether a connection is the same client's, to another address and the same port."""
        client, other_client = self.columns["client"][row], self.columns["client"][other]
        server, other_server = self._end(row, 1 - client), self._end(other, 1 - other_client)
        if server[2] != other_server[2] or server[:2] == other_server[:2]:
            return False
        # Of another address family, the client's own address is another one, too.
        if self.columns["version"][row] != self.columns["version"][other]:
            return True
        return self._end(row, client)[:2] == self._end(other, other_client)[:2]

    def _has_waited(self, row: int, other: int) -> bool:
        """Whether an attempt was given up when the other connection began: a client that connects to many servers at
        once gives none of them up."""
        if self.columns["state"][row] == tables.REFUSED:
            return True
        alike = self.columns["version"][row] == self.columns["version"][other]
        patience = GIVEN_UP_NS if alike else HEAD_START_NS
        return bool(self.columns["opened"][other] - self.columns["opened"][row] >= patience)

    def _end(self, row: int, side: int) -> tuple[int, int, int]:
        """Address, in two halves, and port, as they stand in the table: asked for millions of times, maybe."""
        hi, lo, port = self.ends[side]
        return hi[row], lo[row], port[row]

    def redirects(self) -> Iterable[Seen]:
        """Redirects that led to the first connection of another pair."""
        if self.pairs < 2:
            return
        for pair in range(min(self.pairs, MOST)):
            row = self.first_rows[pair]
            if self.endings.first[row] < 0:
                continue
            source = self.lineage.redirect_to(row)
            if source < 0 or (pair, "redirect") in self.found:
                continue
            where = self.diagnosis.name(row) or self._named(row)
            text = f"a redirect led the client to {where}, another server, which needs a connection of its own"
            cited = (
                (self.diagnosis.frames["response_frame"][source], "the redirect"),
                (self.columns["syn_frame"][row], f"SYN of #{row}: the connection that it asks for"),
            )
            yield Seen("redirect", pair, (row,), text, self._cite(*cited))

    def rotations(self) -> Iterable[Seen]:
        """One name, served by several addresses to the same client; one target, tunnelled to by several proxies."""
        if self.pairs < 2:
            return
        places: dict[tuple[str, int, str], list[int]] = {}
        for pair in range(min(self.pairs, MOST)):
            row = next((one for one in self._used(pair)), -1)
            name = self.diagnosis.name(row) if row >= 0 else None
            if name:
                # Tunnels lead to the same place through whichever port of a proxy.
                port = 0 if self.endings.bits[row] & f.TUNNEL or self._tunnels(row) else self._server(row)[1]
                places.setdefault((self._client(row), port, name.lower()), []).append(row)
        for (_, port, name), rows in places.items():
            if len({self._server(row) for row in rows}) < 2:
                continue
            addresses = listed([self._named(row) for row in rows[:4]])
            what = "was reached at" if port else "was reached through"
            kind = "addresses" if port else "proxies"
            text = f"{name} {what} {len(rows)} {kind}, each with connections of its own: {addresses}"
            cited = [(self.columns["syn_frame"][row], f"SYN to {self._named(row)}") for row in rows[:SHOWN]]
            cause = "address-rotation" if port else "proxy-tunnel"
            yield Seen(cause, self.tally.pair(rows[1]), tuple(rows[1:]), text, self._cite(*cited))

    def _tunnels(self, row: int) -> bool:
        """Whether a connection begins with CONNECT."""
        flags = self.diagnosis.exchanges.column("flags")
        first = self.endings.first[row]
        return first >= 0 and bool(flags[first] & tables.CONNECT_REQUEST)

    def _used(self, pair: int) -> Iterable[int]:
        """Connections of a pair that carried requests."""
        members = self.endings.members.of(pair)[:16] or [self.first_rows[pair]]
        return (row for row in members if self._carried(row))

    def _carried(self, row: int) -> bool:
        """Whether a connection carried requests, as far as TLS lets that be seen."""
        return bool(self.endings.first[row] >= 0 or self.columns["tls_ns"][row])

    def discards(self) -> Iterable[Seen]:
        """Connections that a full pool did not take back, where no request had to wait for another one yet."""
        found = self._rows_by_pair(row for row in self.diagnosis.repetition.discarded if self._is_discarded(row))
        peaks = self.tally.field("peak")
        for pair, rows in found.items():
            if (pair, "pool-full") in self.found or peaks[pair] < 2:
                continue
            text = (
                f"the client closed {number(len(rows), 'connection')} right after the response while it went on using"
                " others: its pool had no room"
            )
            cited = [(self.columns["close_frame"][row], f"the client's FIN of #{row}") for row in rows[:SHOWN]]
            # Else it may have been the end of one of several clients.
            sure = self._opens_again(pair, rows[0])
            also = () if sure else ("separate-pools",)
            yield Seen("pool-full", pair, tuple(rows), text, self._cite(*cited), sure, also)

    def _opens_again(self, pair: int, row: int) -> bool:
        """Whether a connection of a pair was opened after one of them was closed."""
        newest = self.endings.members.of(pair)[-1]
        return bool(self.columns["opened"][newest] > self.columns["closed"][row])

    def _is_discarded(self, row: int) -> bool:
        bits = self.endings.bits[row]
        wanted = f.OTHERS_KEPT | f.CLIENT_FIRST | f.AT_ONCE
        unless = f.SAID_CLOSE | f.ASKED_CLOSE | f.HTTP10_RESPONSE | f.BY_RESET
        return bits & wanted == wanted and not bits & unless

    def ignored_closes(self) -> Iterable[Seen]:
        """Requests that asked for the close of their connection, and were answered on one that went on."""
        for pair, exchanges in self._by_pair(self.endings.ignored_closes).items():
            if (pair, "request-close-header") in self.found:
                continue
            rows = self._connections(exchanges)
            text = (
                f"{number(len(exchanges), 'request')} said `Connection: close`, and the server kept the connection open"
                " all the same"
            )
            frames = self.diagnosis.frames["request_frame"]
            cited = [(frames[one], "the request with `Connection: close`") for one in exchanges[:SHOWN]]
            yield Seen("request-close-header", pair, rows, text, self._cite(*cited))

    def excess(self) -> Iterable[Seen]:
        """Bytes behind a response, on connections that went on."""
        for pair, exchanges in self._by_pair(self.endings.excess).items():
            if (pair, "excess-bytes") in self.found or (pair, "bodiless-quirk") in self.found:
                continue
            rows = self._connections(exchanges)
            text = "the server sent more bytes than the response has, and the client took no notice"
            cited = [
                (self.columns["odd_frame"][row], f"bytes that belong to no response on #{row}") for row in rows[:SHOWN]
            ]
            yield Seen("excess-bytes", pair, rows, text, self._cite(*cited))

    def short_bodies(self) -> Iterable[Seen]:
        """Responses that end early, where no request came after them."""
        for pair, rows in self._rows_by_pair(self.endings.short).items():
            if (pair, "short-body") in self.found or (pair, "server-restart") in self.found:
                continue
            text = f"the server closed {number(len(rows), 'connection')} before the whole response was sent"
            cited = [(self.columns["close_frame"][row], f"the server's close of #{row}") for row in rows[:SHOWN]]
            yield Seen("short-body", pair, tuple(rows), text, self._cite(*cited))

    def races(self) -> Iterable[Seen]:
        """Requests that met the server's close, where no connection was opened for another try."""
        frames = self.diagnosis.frames["request_frame"]
        for pair, met in self._rows_by_pair(self.endings.crossed).items():
            before = [row for row in met if self.endings.bits[row] & f.CLOSED_BEFORE_REQUEST]
            rows = before or met
            if (pair, "keepalive-race") in self.found:
                continue
            if not before and {(pair, cause) for cause in (*NO_ANSWER, *NO_ANSWER_AT_ONCE)} & self.found:
                continue
            when = (
                "just before the client's request was there, which" if before else "just as a request had come, which"
            )
            text = f"the server closed {number(len(rows), 'connection')} {when} got no response"
            cited = [
                part
                for row in rows[:SHOWN]
                for part in (
                    (self.columns["close_frame"][row], f"the server's close of #{row}"),
                    (frames[self.endings.last[row]], f"the request on #{row}"),
                )
            ]
            paused = any(self.endings.bits[row] & f.AFTER_PAUSE for row in rows)
            also = () if before else NO_ANSWER if paused else NO_ANSWER_AT_ONCE
            yield Seen("keepalive-race", pair, tuple(rows), text, self._cite(*cited), bool(before), also)

    def shared_sockets(self) -> Iterable[Seen]:
        """Requests on a connection that was waiting for another response, of clients that never do so."""
        agent = self.columns["agent"]
        connection = self.diagnosis.exchanges.column("connection")
        overlapping = [
            one
            for one in self.endings.overlapping
            if agent[connection[one]] - 1 in self.diagnosis.peers.one_at_a_time and self._is_whole(connection[one])
        ]
        for pair, exchanges in self._by_pair(overlapping).items():
            rows = self._connections(exchanges)
            text = (
                f"{number(len(exchanges), 'request')} went out on a connection whose response was still to come, from a"
                " client that never does so: two processes or threads write to the same socket"
            )
            frames = self.diagnosis.frames["request_frame"]
            cited = [(frames[one], "a request before the response to the one before") for one in exchanges[:SHOWN]]
            yield Seen("fork", pair, rows, text, self._cite(*cited), certain=False)

    def _is_whole(self, row: int) -> bool:
        """Whether nothing of a connection is missing from the capture."""
        lost = tables.REQUESTS_MISSED | tables.RESPONSES_MISSED | tables.PAYLOAD_CUT
        return not self.columns["missing"][row] and not self.columns["flags"][row] & lost

    def unused_tls(self) -> Iterable[Seen]:
        """TLS connections opened beside others that carried the requests, and never used."""
        if not self.diagnosis.matter.ledger.connections.tls:
            return
        for pair in self.endings.members.with_several():
            members = self.endings.members.of(pair)
            if (pair, "alpn-fanout") in self.found:
                continue
            tls = [row for row in members if self.columns["tls_ns"][row]]
            unused = [row for row in tls if self.endings.bits[row] & f.UNUSED]
            if unused and len(unused) < len(tls) and self._began_together(members):
                text = (
                    f"{number(len(unused), 'TLS connection')} opened beside the one that was used, and carried nothing"
                )
                cited = [
                    (self.columns["syn_frame"][row], f"SYN of #{row}, which is never used") for row in unused[:SHOWN]
                ]
                yield Seen("alpn-fanout", pair, tuple(unused[:MOST]), text, self._cite(*cited), certain=False)

    def _began_together(self, rows: Sequence[int]) -> bool:
        """Whether the second was opened before the first was ready."""
        first, second = rows[0], rows[1]
        ready = self.columns["handshake_ns"][first] + self.columns["tls_ns"][first] - 1
        return bool(self.columns["opened"][second] - self.columns["opened"][first] <= max(ready, 0))

    def _connections(self, exchanges: list[int]) -> tuple[int, ...]:
        connection = self.diagnosis.exchanges.column("connection")
        return tuple(dict.fromkeys(connection[one] for one in exchanges))[:MOST]
