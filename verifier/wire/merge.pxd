cimport cython

from verifier.wire.packet cimport Packet
from verifier.wire.records cimport Reader

@cython.final
cdef class Lane:
    cdef public Reader reader
    cdef public long long source, packets, bytes, first_ns, last_ns, due_ns
    cdef public bint waiting
    cdef bint before
    cdef long long ts, clock_ns
    cdef const unsigned char[::1] view
    cdef Py_ssize_t at, end, wire_end
    cdef int link_type
    cdef list behind
    cdef bint ahead(self, Packet packet) except -1
    cdef int tell(self, Packet packet) except -1
    cdef int hold(self, Packet packet) except -1
    cdef int release(self, Packet packet) except -1
    cdef int count(self, Packet packet) except -1

cdef class Merged(Reader):
    cdef readonly object runs
    cdef list lanes
    cdef public Lane hungry
    cdef public long long upcoming_ns
    cdef Lane current
    cdef long long until_ns, total, latest
    cpdef add(self, Lane lane)
    cpdef drop(self, Lane lane)
    cdef bint next(self, Packet packet) except -1
    cdef bint wants(self, Lane lane) except -1
    cdef Lane turn(self, Packet packet)
