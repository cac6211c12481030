from verifier.wire.packet cimport Packet
from verifier.wire.records cimport Reader

cdef class Interface:
    cdef public int link_type, shift
    cdef public unsigned int snaplen
    cdef public unsigned long long times, over
    cdef public long long offset_ns, dropped, dropped_between
    cpdef long long nanoseconds(self, unsigned long long ticks) except? -9

cdef class PcapngReader(Reader):
    cdef readonly list interfaces
    cdef long long closing
    cdef bint next(self, Packet packet) except -1
    cdef bint _pass_over(self) except -1
    cdef bint _torn(self, long long size, long long end) except -1
    cdef int _drops(self, Interface interface, long long dropped) except -1
    cdef int _dropped_before(self, Py_ssize_t number, long long dropped) except -1
    cdef bint _section(self, Py_ssize_t at) except -1
    cdef int _interface(self, Py_ssize_t at, long long size) except -1
    cdef int _statistics(self, Py_ssize_t at, long long size) except -1
    cdef list _options(self, Py_ssize_t at, Py_ssize_t end)
    cdef bint _enhanced(self, Packet packet, Py_ssize_t at, long long size) except -1
    cdef bint _obsolete(self, Packet packet, Py_ssize_t at, long long size) except -1
    cdef bint _packet(self, Packet packet, Py_ssize_t at, long long size, Py_ssize_t number) except -1
    cdef bint _simple(self, Packet packet, Py_ssize_t at, long long size) except -1
    cdef int _behind(self, Py_ssize_t at, long long size) except -1
