cimport cython

from verifier.wire.packet cimport Packet
from verifier.wire.tables cimport ConnectionTable

cdef unsigned long long mixed(unsigned long long word) noexcept

@cython.final
cdef class Flows:
    cdef ConnectionTable table
    cdef unsigned long long seed
    cdef Py_ssize_t size, used, slot
    cdef int[:] rows
    cdef unsigned int[:] hashes
    cdef int side
    cdef unsigned int hash
    cdef Py_ssize_t find(self, Packet packet) except -2
    cdef unsigned long long _spread(self, unsigned long long high, unsigned long long low, unsigned long long port) noexcept
    cdef bint is_of(self, Packet packet, Py_ssize_t row) except -1
    cdef int put(self, Packet packet, Py_ssize_t row) except -1
    cdef int _grow(self) except -1
