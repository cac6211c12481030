from verifier.wire.packet cimport Packet

cdef class Reader:
    cdef const unsigned char[::1] view
    cdef public Py_ssize_t at, end
    cdef public long long base, dropped, owed
    cdef bint big
    cdef public str problem
    cpdef load(self, const unsigned char[::1] view, Py_ssize_t end)
    cdef bint next(self, Packet packet) except -1
    cdef bint fail(self, str problem) except -1
    cdef unsigned int u16(self, Py_ssize_t at) except? 0xFFFFFFFF
    cdef unsigned int u32(self, Py_ssize_t at) except? 0xFFFFFFFF
