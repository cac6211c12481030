# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""What evidence is lacking: handshakes, requests and bytes of connections that matter."""

from __future__ import annotations

import cython

from verifier.wire.tables import (
    CLIENT,
    COMPLETE,
    ENCRYPTED,
    H2,
    HALF,
    LATE_DATA,
    PAYLOAD_CUT,
    REFUSED,
    REQUESTS_MISSED,
    RESPONSES_MISSED,
    RST,
    SUBFLOW,
    UNANSWERED,
)

if cython.compiled:
    from cython.cimports.verifier.judge.tally import Tally
    from cython.cimports.verifier.wire.tables import ConnectionTable
else:
    from verifier.judge.tally import Tally
    from verifier.wire.tables import ConnectionTable

LOST = cython.declare(cython.uint, REQUESTS_MISSED | RESPONSES_MISSED)

# Why requests can't be read, or bytes are not known, of one connection or of several.
HIDDEN = 1
"""Encrypted."""
FRAMED = 2
"""HTTP/2."""
CUT_OFF = 4
"""By the snaplen."""
UNTOLD = 8
"""Bytes that are there can't be told apart into messages, or show that others are not."""
_HIDDEN = cython.declare(cython.int, HIDDEN)
_FRAMED = cython.declare(cython.int, FRAMED)
_CUT_OFF = cython.declare(cython.int, CUT_OFF)
_UNTOLD = cython.declare(cython.int, UNTOLD)


class Lack:
    """Something that connections lack."""

    def __init__(self) -> None:
        self.count = 0
        self.first = -1
        """The first of them, -1 for none."""
        self.why = 0

    def add(self, row: cython.Py_ssize_t, why: cython.int) -> cython.int:
        """This connection lacks it too, and why."""
        if self.count == 0:
            self.first = row
        self.count += 1
        self.why |= why
        return 0


def lacking(tally: Tally, runner_knows: cython.bint) -> list[tuple[int, int, int]]:
    """(how many connections, the first of them, why: HIDDEN, FRAMED, CUT_OFF, UNTOLD) whose handshake is missing,
    whose requests are unreadable, of which bytes are missing.

    Only connections of pairs that speak HTTP or TLS, and those that lost bytes before that could show.
    `runner_knows`: the client's own account stands for what is encrypted.
    """
    table: ConnectionTable = tally.table
    handshakes: Lack = Lack()
    requests: Lack = Lack()
    pieces: Lack = Lack()
    row: cython.Py_ssize_t
    pair: cython.Py_ssize_t
    flags: cython.uint
    carried: cython.bint
    cut: cython.bint
    lost: cython.bint
    for row in range(table.rows):
        pair = tally.pair_of[row]
        if pair < 0:
            continue
        flags = table.flags[row]
        carried = table.bytes0[row] > 0 or table.bytes1[row] > 0 or table.missing[row] > 0
        cut = flags & LOST != 0 and flags & PAYLOAD_CUT != 0 and not table.missing[row]
        # Of an MPTCP connection each subflow may have any part of a message: none can be read alone.
        lost = (flags & LOST != 0 and not cut) or (flags & SUBFLOW != 0 and carried)
        lost = lost or table.missing[row] > 0 or flags & LATE_DATA != 0
        if not (tally.requests[pair] or tally.unreadable[pair] or tally.speaks[pair] or cut or lost):
            continue
        if lacks_handshake(tally, row, carried):
            handshakes.add(row, 0)
        if carried and not runner_knows:
            if flags & ENCRYPTED:
                requests.add(row, _FRAMED if table.protocol[row] == H2 else _HIDDEN)
            elif cut:
                requests.add(row, _CUT_OFF)
        if lost:
            # Bytes that were acknowledged and never seen are lost, whatever they were; the others can't be told apart.
            pieces.add(row, 0 if table.missing[row] or flags & LATE_DATA else _UNTOLD)
    return [(lack.count, lack.first, lack.why) for lack in (handshakes, requests, pieces)]


def lacks_handshake(tally: Tally, row: cython.Py_ssize_t, carried: cython.bint) -> cython.bint:
    """Whether a connection was open, or may have been, without a handshake to show. `carried`: bytes went over it."""
    table: ConnectionTable = tally.table
    state: cython.int = table.state[row]
    if state == COMPLETE or (state == HALF and tally.halves_count):
        return False
    if carried:
        # A request in a SYN (fast open) that is not taken is an attempt that failed where the client then connected.
        # Where it never did, nothing is there to prove anything by.
        return not (state in (REFUSED, UNANSWERED) and tally.handshakes[tally.pair_of[row]] > 0)
    # A half one without bytes counts where the client went on, or may have: not where it took its SYN back. Of some the
    # SYN-ACK alone is there.
    if state in (REFUSED, UNANSWERED) or (state != HALF and not table.synack_frame[row]):
        return False
    return not (table.closer[row] == CLIENT and table.closed_with[row] == RST)
