from verifier.wire.tables cimport ConnectionTable, ExchangeTable

cpdef int reuse(int connection_state, unsigned int connection_flags, unsigned int depth) except -1

cdef class Tally:
    cdef ConnectionTable table
    cdef const unsigned char[:] wanted
    cdef long long end_ns
    cdef bint halves_count
    cdef public Py_ssize_t pairs
    cdef int[:] pair_of
    cdef dict numbers
    cdef public dict fields
    cdef int _connections(self) except -1
    cdef Py_ssize_t _pair(self, Py_ssize_t row) except -1
    cdef long long _end(self, ExchangeTable exchanges, Py_ssize_t row, Py_ssize_t connection) except? -1
    cpdef int most_open(self, Py_ssize_t pair) except -1
    cpdef int pair(self, Py_ssize_t row) except? -1

cdef class Ends:
    cdef list heap
    cdef Py_ssize_t busy
    cdef public Py_ssize_t peak
    cdef long long only
    cdef int begin(self, long long start, long long end) except -1
