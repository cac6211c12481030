from verifier.wire.notes cimport Notes
from verifier.wire.packet cimport Packet

cdef class Fragments:
    cdef Notes notes
    cdef dict open
    cdef Py_ssize_t pieces, held
    cdef object add(self, Packet packet, int protocol, unsigned int number, unsigned int offset, bint more)
    cdef int finish(self) except -1
