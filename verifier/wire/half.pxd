cimport cython

from verifier.wire.packet cimport Packet

cdef class Piece:
    cdef unsigned int seq, ack, frame
    cdef bytes data
    cdef Py_ssize_t length
    cdef bint fin, acks, early
    cdef long long ts

# They hold each other in no circle, so that the collector need not know them.
@cython.final
cdef class Half:
    cdef unsigned char known, isn_known, acks, fin_known, ended, closed_window, says_sent, gaps
    cdef unsigned int next, isn, acked, fin_seq, packets, largest, held_bytes, sent
    cdef list pieces
    cdef unsigned long long bytes
    cdef long long foretold_ns
    cdef int begin(self) except -1
    cdef int start(self, unsigned int seq) except -1
    cdef bint begins_behind(self, unsigned int seq) except -1
    cdef int hold(self, Packet packet, unsigned int seq, bint fin, bint early) except -1
    cdef Piece first(self)
    cdef int drop_first(self) except -1
