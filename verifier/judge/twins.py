"""Which connections are others of the same capture, seen a second time: on the other side of an address translation
(NAT, a published port, a balancer of TCP connections), or in another capture that was merged with this one.

All have the same two initial sequence numbers, both large. Between other addresses, of all that are alike, it is:

1. the same connection for certain where each segment of one handshake stands inside of the other's (SYN, SYN, SYN-ACK,
   SYN-ACK, ACK, ACK), in the order of a way through the machine that translates: no two clocks, however far apart, make
   the far side look like the near one. Or where hop limits tell, which no clock changes: on the far side the client's
   SYN has passed so many routers more, and the SYN-ACK as many fewer; and as many bytes went either way. It counts
   once, as the client saw it: on the far side several clients may have one address, and one server several.
2. unsure else: what translates need not count hops. Both count, unless the verdict is another one where only one does.
   Then nothing shows which of the two is right.

Where connections of the same two addresses are among those that are alike, or too many are, somebody made the numbers
up, and they are nothing but numbers: a traffic generator. A connection of the very same 4-tuple is a copy.

Of the far side's connections those that were not seen on the near side, but passed as many routers, may be of other
clients there, whose capture did not run then: also unsure, if it changes the verdict that the far side counts instead,
or that these don't.
"""

from __future__ import annotations

from verifier.values import NamedTuple
from verifier.wire.twins import MOST_ALIKE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verifier.wire.tables import Ledger

    Column = Mapping[str, Sequence[int]]
    Ends = tuple[int, ...]


MOST_ROUTERS = 30
"""Between two places where one connection was captured: what traceroute takes for the longest way. A difference of more
comes from a machine that sets hop limits anew (to 64, 128 or 255), and tells nothing."""


class Twins(NamedTuple):
    """Rows of connections, in their order."""

    far: tuple[int, ...]
    """Those that are others of these for certain, behind an address translation: they don't count."""
    unsure: tuple[int, ...]
    """Those that may be."""
    again: tuple[int, ...]
    """Those that are copies of others on the same addresses and ports."""
    readings: tuple[tuple[int, ...], ...]
    """What else could be left out instead of `far`, where it is not known which is right."""
    decisive: bool = False
    """Whether the verdict hinges on what is unsure."""


def twins(ledger: Ledger, wanted: Sequence[int]) -> Twins:
    """Of the connections that are wanted."""
    return _Search(ledger, wanted).result()


class _Search:
    def __init__(self, ledger: Ledger, wanted: Sequence[int]) -> None:
        self.wanted = wanted
        self.column: Column = ledger.connections.columns()
        self.sides = [[self.column[f"{name}{side}"] for name in ("hi", "lo", "port")] for side in (0, 1)]
        self.far: set[int] = set()
        self.near: set[int] = set()
        self.again: set[int] = set()
        self.unsure: list[list[int]] = []
        """Rows that are alike, and count all the same."""
        groups: dict[int, list[int]] = {}
        for row, first in ledger.connections.twins.items():
            groups.setdefault(first, [first]).append(row)
        self.groups = [sorted(group) for group in groups.values()]

    def result(self) -> Twins:
        for group in self.groups:
            self._weigh([row for row in group if self.wanted[row]], len(group))
        readings: list[set[int]] = []
        if self.unsure:
            readings += [self.far | left_out for left_out in self._one_of_each()]
        strangers = self._strangers()
        if strangers:
            readings += [self.near, self.far | strangers]
        return Twins(
            tuple(sorted(self.far)),
            tuple(sorted(row for group in self.unsure for row in group[1:])),
            tuple(sorted(self.again)),
            tuple(tuple(sorted(reading)) for reading in readings),
        )

    def _weigh(self, group: list[int], size: int) -> None:
        """What connections with the same numbers are to each other."""
        once: dict[Ends, int] = {}
        places: set[Ends] = set()
        for row in group:
            ends = self._ends(row)
            if once.setdefault(ends, row) == row:
                places.add(ends[:4])
            else:
                self.again.add(row)
        alone = list(once.values())
        if size >= MOST_ALIKE or len(places) < len(alone):
            return
        far = {row for row in alone if any(self._is_behind(row, other) for other in alone if other != row)}
        near = [row for row in alone if row not in far]
        self.far |= far
        if far:
            self.near.update(near)
        if len(near) > 1:
            self.unsure.append(near)

    def _ends(self, row: int) -> Ends:
        """The addresses of client and server, and their ports."""
        client = self.column["client"][row]
        (hi, lo, port), (server_hi, server_lo, server_port) = self.sides[client], self.sides[1 - client]
        return hi[row], lo[row], server_hi[row], server_lo[row], port[row], server_port[row]

    def _addresses(self, row: int) -> Ends:
        """Those of client and server."""
        return self._ends(row)[:4]

    def _is_behind(self, row: int, other: int) -> bool:
        """Whether it is the other one, and farther from the client."""
        syn, answer, ack = (self.column[name] for name in ("syn_frame", "synack_frame", "ack_frame"))
        if 0 < syn[other] < syn[row] < answer[row] < answer[other] < ack[other] < ack[row]:
            return True
        if not (syn[row] and syn[other] and answer[row] and answer[other]):
            return False
        hops = (self.column["farther"][other] - self.column["farther"][row]) & 0xFF
        return 0 < hops <= 2 * MOST_ROUTERS and hops % 2 == 0 and self._sent(row) == self._sent(other)

    def _sent(self, row: int) -> Ends:
        """Bytes of client and server."""
        sent = self.column["bytes0"][row], self.column["bytes1"][row]
        return sent[:: 1 if self.column["client"][row] == 0 else -1]

    def _strangers(self) -> set[int]:
        """Connections of the far side between the same ends, as far from their client as those that were seen on both
        sides, which were seen there alone: of whom is not known."""
        places = {(self._addresses(row), self.column["farther"][row]) for row in self.far}
        hops = {hop for _, hop in places}
        known = {row for group in self.groups for row in group}
        columns = zip(self.wanted, self.column["farther"], self.column["numbers"], strict=True) if hops else ()
        return {
            row
            for row, (wanted, farther, numbers) in enumerate(columns)
            if wanted and numbers and farther in hops and row not in known and (self._addresses(row), farther) in places
        }

    def _one_of_each(self) -> list[set[int]]:
        """What is left out where each connection that is unsure counts once: as it was seen on one side, or on the
        other, and on the one that tells the most clients and servers apart, or the fewest. Which pairs are of one side
        shows by what their connections have in common; which sides of two translations belong together does not."""
        sides: dict[Ends, int] = {}
        sizes: dict[Ends, int] = {}
        for group in self.unsure:
            taken = {sides[ends] for ends in map(self._addresses, group) if ends in sides}
            free = iter(number for number in range(len(group) + len(taken)) if number not in taken)
            for row in group:
                ends = self._addresses(row)
                sizes[ends] = sizes.get(ends, 0) + 1
                if ends not in sides:
                    sides[ends] = next(free)
        found: list[set[int]] = []
        by_side = {ends: (side,) for ends, side in sides.items()}
        by_size = {ends: (sizes[ends], side) for ends, side in sides.items()}
        for place in (by_side, by_size):
            order = [sorted(group, key=lambda row: place[self._addresses(row)]) for group in self.unsure]
            for kept in (0, -1):
                left_out = {row for group in order for row in group if row != group[kept]}
                if left_out not in found:
                    found.append(left_out)
        return found
