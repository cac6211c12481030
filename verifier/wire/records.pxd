from verifier.wire.octets cimport number16, number32
from verifier.wire.packet cimport Packet

# A record as it was met: where its packet's bytes are in the view, and, where `usual`, what its headers say.
cdef struct Glimpse:
    long long ts
    unsigned long long addresses
    unsigned int ports, seq, ack
    unsigned int at, size, wire_size
    unsigned int payload, length
    unsigned short link_type, usual

cdef enum:
    ETHERNET = 1
    HEADERS = 54

# Fills what `usual` stands for: a whole segment of TCP in IPv4 in Ethernet, no fragment, no flags but ACK and those
# that change nothing (PSH, URG, ECE, CWR), a window that is open. All bytes of the packet are there, from `first` on.
cdef inline void recognise(Glimpse* glimpse, const unsigned char* first) noexcept nogil:
    glimpse.usual = 0
    if glimpse.size < HEADERS or glimpse.link_type != ETHERNET:
        return
    if number16(first + 12) != 0x0800 or first[14] != 0x45 or first[23] != 6 or number16(first + 20) & 0x3FFF:
        return
    cdef unsigned int behind = 14 + number16(first + 16)
    cdef unsigned int header = 34 + (first[46] >> 4) * 4
    if header < HEADERS or header > behind or behind > glimpse.size:
        return
    if first[47] & 0x17 != 0x10 or number16(first + 48) == 0:
        return
    glimpse.addresses = (<unsigned long long> number32(first + 26) << 32) | number32(first + 30)
    glimpse.ports = number32(first + 34)
    glimpse.seq = number32(first + 38)
    glimpse.ack = number32(first + 42)
    glimpse.payload = glimpse.at + header
    glimpse.length = behind - header
    glimpse.usual = 1

cdef class Reader:
    cdef const unsigned char[::1] view
    cdef public Py_ssize_t at, end
    cdef public long long base, dropped, owed
    cdef bint big
    cdef public str problem
    cdef unsigned long long[::1] room
    cdef Glimpse* glimpses
    cdef Py_ssize_t reach
    cpdef load(self, const unsigned char[::1] view, Py_ssize_t end)
    cdef bint next(self, Packet packet) except -1
    cpdef look_into(self, unsigned long long[::1] room)
    cpdef Py_ssize_t look(self, Packet packet) except -1
    cdef bint fail(self, str problem) except -1
    cdef unsigned int u16(self, Py_ssize_t at) except? 0xFFFFFFFF
    cdef unsigned int u32(self, Py_ssize_t at) except? 0xFFFFFFFF

cdef class Told(Reader):
    cdef Py_ssize_t count, taken
    cpdef tell(self, const unsigned char[::1] view, unsigned long long[::1] room, Py_ssize_t count)
    cdef bint next(self, Packet packet) except -1
    cpdef Py_ssize_t look(self, Packet packet) except -1
