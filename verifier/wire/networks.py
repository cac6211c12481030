"""Tunnels, and the networks that they show: whether two of them carry the same addresses of different machines.

Addresses inside of tunnels are not unique: two tenants may both have a 10.0.0.1 that talks from port 40000 to a
10.0.0.2. But a packet may also be captured several times, plain and in one tunnel or in several (a Kubernetes node, a
mirror port that sees both sides of a tunnel's end), or only one direction of a connection may be tunnelled. So tunnels
are no part of what a connection is known by: they only tell apart what can't be one.

What identifies a tunnel goes into one number, `Packet.tunnel`, 0 for none: the outer addresses, in either order, and
what the kind has beside them: the VNI of VXLAN (RFC 7348) and Geneve (RFC 8926), the key of GRE (RFC 2890; NVGRE's
VSID, RFC 7637), the session of ERSPAN, PPPoE and L2TP (RFC 2661), the TEID of GTP-U (3GPP TS 29.281), the last label of
MPLS (RFC 3032), the VLAN (IEEE 802.1Q), the service of provider backbone bridging (IEEE 802.1ah), CAPWAP (RFC 5415) and
Teredo (RFC 4380) by their names, and all others over UDP by their port. All tunnels count that lie around each other.
Most of these are the same in both directions; TEIDs, L2TP's sessions and labels are not, which the receiver chooses,
and routing may lead one direction through another tunnel (asymmetric IRB, RFC 9135). So each connection learns the
tunnels that its packets come in.

The rule, for a segment whose 4-tuple is that of one connection or of several:

1. Each connection of the 4-tuple is compared with it. By its numbers: a SYN by its initial sequence number, a SYN-ACK
   by the SYN that it acknowledges, all others by both numbers, which lie within a window of where the connection is. By
   its tunnel: whether segments of the connection came in it. Numbers count more: copies have the same ones in every
   tunnel, and a window of 16 MiB to either side is met by chance in one case of 128, by both numbers in one of 16,384.
   Where only one can be compared, it has to be the very number where the connection is. The best one gets the segment.
2. Where its tunnel is unknown to the best one, and all its numbers speak against it, too, it is of another connection:
   that begins beside the others, with a SYN or, where its SYN is not in the capture, without. Where the numbers speak
   for it, the tunnel is learnt.
3. Where its tunnel is known, what follows is what happens without tunnels: a SYN with another number is the port used
   anew, and so on.

Two connections of one 4-tuple that both go on, at the same time, are of different machines, and so are all that came in
their tunnels: each network has pairs of its own. To go on is to have bytes acknowledged that were sent after the newer
one began: a retransmission shows nothing, nor does what stands alone. Tunnels that a connection has in common are of
one network. Without that proof (a connection that is never heard of again, although it was not closed) it may be the
same client, or not; nor is it known where two tunnels are of one network by this rule and of two by that.
"""

from __future__ import annotations

import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 1 << 20
"""Tunnels that are told apart by number. With more of them no network is told from others."""


class Tunnels:
    """What is known of the tunnels of a capture; nothing where it has none. `most` of them have a number."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.more = False
        """Whether there are more tunnels than that: these have the number `most`, and are of no network."""
        self.numbers = {0: 0}
        self.above = array.array("I", [0])
        """By number of a tunnel: one of the same network, or itself."""
        self.first = array.array("I")
        """By row: the tunnel of a connection's first packet; rows behind the end have none."""
        self.apart: dict[tuple[int, int], tuple[int, int]] = {}
        """Tunnels of which two connections on one 4-tuple went on at the same time, to the rows of the first two."""
        self.doubts: dict[int, int] = {}
        """Row of a connection that began beside another one, to the row of that."""

    def _number(self, tunnel: int) -> int:
        number = self.numbers.setdefault(tunnel, len(self.above))
        if number == len(self.above):
            if number >= self.most:
                del self.numbers[tunnel]
                self.more = True
                return self.most
            self.above.append(number)
        return number

    def _network(self, number: int) -> int:
        """One number for all tunnels of a network."""
        if number == self.most:
            return number
        while self.above[number] != number:
            self.above[number] = self.above[self.above[number]]
            number = self.above[number]
        return number

    def begun(self, row: int, tunnel: int) -> bool:
        """A connection's first packet came in this tunnel. False where it has no number."""
        self.first.extend([0] * (row - len(self.first)))
        number = self._number(tunnel)
        self.first.append(number)
        return number != self.most

    def joined(self, one: int, other: int) -> bool:
        """Packets of one connection came in both. False where one has no number."""
        numbers = self._number(one), self._number(other)
        if self.most in numbers:
            return False
        self.above[self._network(numbers[0])] = self._network(numbers[1])
        return True

    def parted(self, row: int, other: int) -> None:
        """Two connections on one 4-tuple, the newer and the older one, went on at the same time."""
        self.apart.setdefault((self._tunnel_of(row), self._tunnel_of(other)), (row, other))

    def _tunnel_of(self, row: int) -> int:
        return self.first[row] if row < len(self.first) else 0

    def _told(self) -> set[frozenset[int]]:
        """Two networks each that were told from each other."""
        if self.more:
            return set()
        told = {frozenset((self._network(one), self._network(other))) for one, other in self.apart}
        return {pair for pair in told if len(pair) == 2}

    def told(self) -> set[frozenset[int]]:
        """Two networks each, by the numbers that `networks` gives them, that were told from each other."""
        return {frozenset(network + 1 for network in pair) for pair in self._told()}

    def networks(self, rows: int) -> Sequence[int] | None:
        """By row: 0, or the number of a network that was told from others; None where none was."""
        parted = {network for pair in self._told() for network in pair}
        if not parted:
            return None
        found = array.array("I", [0]) * rows
        for row in range(rows):
            network = self._network(self._tunnel_of(row))
            if network in parted:
                found[row] = network + 1
        return found

    def unsure(self) -> list[tuple[int, int]]:
        """Connections that began beside another one on their 4-tuple, with that one, where nothing shows whether they
        are of the same network, or one thing says so and another the contrary; in the order of rows."""
        told = self._told()
        found = {**self.doubts, **{row: other for row, other in self.apart.values() if row not in self.doubts}}
        return [
            (row, other)
            for row, other in sorted(found.items())
            if frozenset((self._network(self._tunnel_of(row)), self._network(self._tunnel_of(other)))) not in told
        ]
