cimport cython

from verifier.wire.packet cimport Packet
from verifier.wire.records cimport Reader

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Frames(Reader):
    cdef readonly long long packets, bytes, first_ns, last_ns, unsaved
    cdef readonly list markers
    cdef int link_type
    cdef bint loopback
    cdef unsigned int marker
    cdef long long left
    cdef Py_ssize_t unsaved_at
    cdef unsigned char[::1] target
    cpdef take(self, bytes block)
    cpdef rewind(self)
    cpdef Py_ssize_t save(self, unsigned char[::1] into, Py_ssize_t at) except -1
    cdef int _step(self) except -1
    cdef bint _counts(self) except -1
    cdef bint _leaves(self) except -1
    cdef Py_ssize_t _begin(self) except -1
    cdef Py_ssize_t _captured(self) except -1
    cdef long long _time(self) except? 1
    cdef bytes _with_tags(self, bytes block)
    cdef int _put(self, Py_ssize_t at, long long value) except -1
