from verifier.wire.packet cimport Packet
from verifier.wire.records cimport Reader

cdef class PcapReader(Reader):
    cdef int tick, link_type
    cdef Py_ssize_t header
    cdef bint native, old
    cdef tuple unsaid
    cpdef load(self, const unsigned char[::1] view, Py_ssize_t end)
    cdef int _sound(self, Py_ssize_t header) except -2
    cdef bint next(self, Packet packet) except -1
    cpdef Py_ssize_t look(self, Packet packet) except -1
