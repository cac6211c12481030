from verifier.wire.tables cimport ConnectionTable, ExchangeTable

cpdef int reuse(int connection_state, unsigned int connection_flags, unsigned int exchange_flags, unsigned int depth) except -1

cpdef list in_order(long long[:] times, Py_ssize_t rows)

cdef bint gave_up(ConnectionTable table, Py_ssize_t row) except -1

cdef class Tally:
    cdef ConnectionTable table
    cdef long long end_ns, ends_frame
    cdef public Py_ssize_t pairs
    cdef public bint curious
    cdef public dict arrays
    cdef int[::1] pair_of
    cdef long long[::1] connections, handshakes, failed, requests, responses, reused, pre_existing, unknown, peak, unreadable, missed, speaks, unsure, cost_ns, least
    cdef unsigned char[::1] extra, needed, most
    cdef bint halves_count
    cpdef bint is_extra(self, Py_ssize_t row) except -1
    cpdef int pair(self, Py_ssize_t row) except? -1
    cdef list _number_pairs(self, const unsigned char[::1] wanted)
    cdef bint _same_pair(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef int _connections(self) except -1
    cdef bint _is_handshake(self, Py_ssize_t row) except -1
    cdef bint _is_inside(self, ExchangeTable exchanges, Py_ssize_t row, Py_ssize_t connection) except -1
    cdef int _use_up(self, ExchangeTable exchanges, object order, object upgraded) except -1
    cdef long long _end(self, ExchangeTable exchanges, Py_ssize_t row, Py_ssize_t connection) except? -1

cdef class Ends:
    cdef Py_ssize_t size, room
    cdef public Py_ssize_t peak
    cdef long long[::1] heap, frames
    cdef bint begin(self, long long start, long long start_frame, long long end, long long end_frame) except -1
    cdef bint _over(self, long long start, long long start_frame) except -1
    cdef bint _before(self, Py_ssize_t place, long long end, long long frame) except -1
    cdef int _push(self, long long end, long long frame) except -1
    cdef int _pop(self) except -1
    cdef int _sink(self, long long end, long long frame) except -1
    cdef int _grow(self) except -1

cdef Ends ends_of(list ends, Py_ssize_t pair)

cdef Py_ssize_t peak_of(list ends, Py_ssize_t pair) except -1
