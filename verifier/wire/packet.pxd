cimport cython

from verifier.wire.fragments cimport Fragments
from verifier.wire.notes cimport Notes

cdef unsigned long long stirred(unsigned long long word) noexcept

@cython.final
cdef class Packet:
    cdef const unsigned char[::1] view
    cdef Notes notes
    cdef Fragments fragments
    cdef bint swapped
    cdef public unsigned int frame
    cdef long long ts
    cdef Py_ssize_t at, end, wire_end, claimed
    cdef unsigned long long src_hi, src_lo, dst_hi, dst_lo
    cdef unsigned int tunnel, src_port, dst_port, seq, ack, flags, window
    cdef int version, link_type, hops
    cdef Py_ssize_t options, length, have
    cdef Py_ssize_t rest, rest_end, rest_wire_end
    cdef unsigned int rest_tunnel

    cdef unsigned int u16(self, Py_ssize_t at) except? 0xFFFFFFFF
    cdef unsigned int u32(self, Py_ssize_t at) except? 0xFFFFFFFF
    cdef unsigned long long u64(self, Py_ssize_t at) except? 0xFFFFFFFF
    cdef bint plain(self) except -1
    cdef int tagged(self, unsigned long long number) except -1
    cdef int tunnelled(self, unsigned long long number) except -1
    cdef int bad(self) except -100
    cdef bint blank(self, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int other(self) except -100
    cdef bint next_of_aggregate(self) except -1
    cdef int swap(self, bytes data) except -1
    cdef int ipv4(self) except -100
    cdef int ipv6(self) except -100
    cdef int extensions(self, int following) except -100
    cdef int _route(self, Py_ssize_t at) except -100
    cdef int _at_home(self, Py_ssize_t at) except -100
    cdef bint may_lead_on(self) except -1
    cdef int fragment(self, int protocol, unsigned int number, unsigned int offset, bint more) except -100
    cdef int tcp(self) except -100
    cdef bint joins(self) except -1
