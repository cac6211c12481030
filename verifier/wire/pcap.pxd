from verifier.wire.packet cimport Packet
from verifier.wire.records cimport Reader

cdef class PcapReader(Reader):
    cdef int tick, link_type
    cdef Py_ssize_t header
    cdef bint native, old
    cdef bint next(self, Packet packet) except -1
    cpdef Py_ssize_t look(self, Packet packet) except -1
