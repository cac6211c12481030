cimport cython

from verifier.wire.packet cimport Packet
from verifier.wire.tables cimport ConnectionTable

cdef unsigned long long mixed(unsigned long long word) noexcept

cdef struct Known:
    unsigned long long addresses
    unsigned int ports
    int row, side

@cython.final
cdef class Flows:
    cdef Known lately[2048]
    cdef ConnectionTable table
    cdef unsigned long long seed
    cdef Py_ssize_t size, used, slot
    cdef unsigned long long[::1] places
    cdef int side
    cdef unsigned int hash
    cdef int _remember(self, Packet packet, Py_ssize_t row) except -1
    cdef int forget(self, Packet packet) except -1
    cdef Py_ssize_t known(self, Packet packet) except -2
    cdef Py_ssize_t find(self, Packet packet) except -2
    cdef unsigned long long _spread(self, unsigned long long high, unsigned long long low, unsigned long long port) noexcept
    cdef bint is_of(self, Packet packet, Py_ssize_t row) except -1
    cdef int put(self, Packet packet, Py_ssize_t row) except -1
    cdef int _grow(self) except -1

# The place of an IPv4 4-tuple among those met last: 11 bits of a product.
cdef inline Known* lately(Flows flows, unsigned long long addresses, unsigned int ports) noexcept:
    return &flows.lately[(addresses * 0xFF51AFD7ED558CCDULL + ports * 0xC4CEB9FE1A85EC53ULL) >> 53]
