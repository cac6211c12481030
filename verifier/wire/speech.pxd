cimport cython

from verifier.wire.packet cimport Packet
from verifier.wire.tables cimport Ledger

@cython.no_gc
cdef class Speech:
    cdef Ledger ledger
    cdef Py_ssize_t row
    cdef int protocol, asker
    cdef unsigned int flags, requests, responses, request_frame
    cdef unsigned int turns
    cdef long long ready_ns, active_ns, body_left
    cdef int begin(self, Ledger ledger, Py_ssize_t row) except -1
    cdef int data(self, Packet packet, int side) except -1
    cdef int gap(self, Packet packet, int side, long long size) except -1
    cdef int end(self, Packet packet, int side) except -1
    cdef bint acknowledged(self, long long moment) except -1
    cdef int close(self) except -1
