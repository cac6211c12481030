# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""What speaks on a connection: the part that an engine for another protocol replaces.

A `Speech` is given the payload of both directions in stream order, told where bytes are missing and where a direction
ended, and writes the exchanges it finds into the ledger. It knows nothing of TCP.
"""

from __future__ import annotations

import cython

from verifier.wire import tables

if cython.compiled:
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.tables import Ledger
else:
    from verifier.wire.packet import Packet
    from verifier.wire.tables import Ledger

OTHER = cython.declare(cython.int, tables.OTHER)


@cython.no_gc
@cython.cclass
class Speech:
    def begin(self, ledger: Ledger, row: cython.Py_ssize_t) -> cython.int:
        """In place of `__init__`, which compiled code would call with a tuple of arguments: a tenth of a connection's
        time."""
        self.ledger = ledger
        self.row = row
        self.protocol = OTHER
        self.flags = 0
        self.requests = 0
        self.responses = 0
        self.request_frame = 0
        self.asker = -1
        self.ready_ns = -1
        self.turns = 0
        self.active_ns = -1
        self.body_left = 0
        return 0

    def data(self, packet: Packet, side: cython.int) -> cython.int:
        """The next bytes that `side` sent: packet.view[packet.at : packet.at + packet.have]."""
        raise NotImplementedError

    def gap(self, packet: Packet, side: cython.int, size: cython.longlong) -> cython.int:
        """The next `size` bytes that `side` sent are not in the capture."""
        raise NotImplementedError

    def end(self, packet: Packet, side: cython.int) -> cython.int:
        """`side` sent all it had, and said so (FIN)."""
        raise NotImplementedError

    def acknowledged(self, moment: cython.longlong) -> cython.bint:
        """What the client says next, at this moment, acknowledges all that the server has said, some of which the
        capture has later. Whether the response is written down as one that was over by then."""
        return False

    def close(self) -> cython.int:
        """Nothing more comes, from either side."""
        raise NotImplementedError
