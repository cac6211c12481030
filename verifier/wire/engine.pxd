cimport cython

from verifier.wire.connection cimport Connection
from verifier.wire.flows cimport Flows
from verifier.wire.half cimport Half
from verifier.wire.notes cimport Notes
from verifier.wire.packet cimport Packet
from verifier.wire.records cimport Reader
from verifier.wire.tables cimport Ledger

@cython.final
cdef class Engine:
    cdef public Notes notes
    cdef public Ledger ledger
    cdef Flows flows
    cdef unsigned long long seed
    cdef Packet one
    cdef list live
    cdef int[::1] closed
    cdef Py_ssize_t closings
    cdef dict several, learnt, marks, went_on
    cdef object tunnels
    cdef bint tunnelled
    cdef public Py_ssize_t open_connections
    cdef public long long packets, tcp_packets, bytes, first_ns, last_ns
    cpdef read(self, Reader reader)
    cdef bint _usual(self, Packet packet, Reader reader, Py_ssize_t place) except -1
    cdef int _take(self, Packet packet) except -1
    cdef int _segment(self, Packet packet) except -1
    cdef Py_ssize_t _among(self, Packet packet, Py_ssize_t newest) except -2
    cdef int _goes_on(self, Packet packet, Py_ssize_t row, Py_ssize_t newest) except -1
    cdef int _mark(self, Py_ssize_t row) except -1
    cdef long long _reached(self, Half half, Half peer) except *
    cdef bint _comes_in(self, Packet packet, Connection connection) except -1
    cdef bint _elsewhere(self, Packet packet, Connection connection) except -1
    cdef int _beside(self, Packet packet, Py_ssize_t row) except -1
    cdef int _supersede(self, Packet packet, Py_ssize_t row) except -1
    cdef Py_ssize_t _add(self, Packet packet) except -1
    cdef int _share(self, Packet packet, Py_ssize_t row, object others) except -1
    cdef bint _begins(self, Packet packet, Connection connection) except -1
    cdef int _open(self, Packet packet, Py_ssize_t row) except -1
    cdef int _late(self, Packet packet, Py_ssize_t row) except -1
    cdef int _linger(self, Packet packet, Py_ssize_t row) except -1
    cdef Connection _object(self, Py_ssize_t row)
    cdef int _finish(self, Packet packet, Py_ssize_t row) except -1
