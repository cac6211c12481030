cimport cython

from verifier.wire.half cimport Half, Piece
from verifier.wire.packet cimport Packet
from verifier.wire.speech cimport Speech
from verifier.wire.tables cimport Ledger

# They hold each other in no circle, so that the collector need not know them.
@cython.final
cdef class Connection:
    cdef Ledger ledger
    cdef Half half0, half1
    cdef Speech speech
    cdef long long last, established, answered_ns
    cdef unsigned long long setup_bytes, letters
    cdef int row
    cdef unsigned int flags, seen, synack_frame, setup_packets, probes, probed_at, tunnel
    cdef unsigned short syn_length
    cdef signed char client, state, closer, patience
    cdef unsigned char full_close, steady, untimed, hops, syn_hops
    cdef int begin(self, Ledger ledger, Py_ssize_t row, Packet packet) except -1
    cdef int take(self, Packet packet, int side) except -1
    cdef int fits(self, Packet packet, int side) except -1
    cdef int _probe(self, Packet packet, Half half, Half peer) except -1
    cdef int _says_sent(self, Packet packet, Half half) except -1
    cdef int note_history(self, int kind, int side) except -1
    cdef int _syn(self, Packet packet, int side, Half half, Half peer) except -1
    cdef int _syn_ack(self, Packet packet, int side, Half half, Half peer) except -1
    cdef int _acknowledged(self, Packet packet, Half peer) except -1
    cdef int _reset(self, Packet packet, int side, Half half, Half peer) except -1
    cdef bint _in_window(self, unsigned int seq, Half half, Half peer) except -1
    cdef int _not_captured(self, int side) except -1
    cdef int _stray(self, Packet packet) except -1
    cdef int _finished(self, Packet packet, int side, Half half, Half peer) except -1
    cdef int _closes(self, Packet packet, int side, Half peer, int kind) except -1
    cdef int _answers(self, Packet packet, int side, int kind) except -1
    cdef int _payload(self, Packet packet, int side, Half half, Half peer) except -1
    cdef bint _early(self, bint acks, unsigned int ack, Half peer) except -1
    cdef int _deliver(self, Packet packet, int side, Half half, long long ahead, bint fin) except -1
    cdef int _foretells(self, Packet packet, Half half, Half peer) except -1
    cdef int _foretold(self, Packet packet, Half half) except -1
    cdef int _came_late(self, Packet packet, long long before) except -1
    cdef int _cut(self, Packet packet, int side, Py_ssize_t size) except -1
    cdef int listen(self, Packet packet) except -1
    cdef int _settle(self, Packet packet) except -1
    cdef bint _too_much(self, Half half) except -1
    cdef bint _turns(self, Packet packet) except -1
    cdef bint _turn(self, Packet packet, int side, Half half, Half peer) except -1
    cdef int _replay(self, Packet packet, int side, Half half, Piece piece, long long ahead) except -1
    cdef bint _give_up(self, Packet packet, bint closing) except -1
    cdef int _earliest(self) except -2
    cdef int _lose(self, Packet packet, int side, Half half, long long size) except -1
    cdef int finish(self, Packet packet) except -1
    cdef int _missing_tail(self, Packet packet, int side, Half half, Half peer) except -1
    cdef int _write(self) except -1
