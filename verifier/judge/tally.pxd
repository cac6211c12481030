cimport cython

from verifier.judge.order cimport Order
from verifier.wire.tables cimport ConnectionTable, ExchangeTable

# Numbers of the tables, by their names.
cdef int CLIENT, COMPLETE, HALF, HTTP1, NOT_SEEN, REFUSED, UNANSWERED
cdef unsigned int CLIENT_STOPPED_READING, CONNECT_REQUEST, DEPTH_UNSURE, ENCRYPTED, EXCESS, NOT_TAKEN, REQUEST_CLOSE, RESPONSE_DONE, SUBFLOW, TUNNEL, UPGRADED
cdef long long FOREVER

cpdef int reuse(int connection_state, unsigned int connection_flags, unsigned int exchange_flags, unsigned int depth) except -1

cdef bint ends_whole(unsigned int exchange_flags, int closer) noexcept

cdef bint gave_up(ConnectionTable table, Py_ssize_t row) except -1

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Tally:
    cdef ConnectionTable table
    cdef long long end_ns
    cdef unsigned int ends_frame
    cdef public Py_ssize_t pairs
    cdef public bint curious
    cdef public long long connect_requests
    cdef public dict arrays
    cdef int[::1] pair_of
    cdef int[::1] connections, handshakes, failed, requests, responses, reused, pre_existing, unknown, peak, unreadable, missed, speaks, unsure, first_row, least, extra
    cdef long long[::1] cost_ns
    cdef unsigned char[::1] marks
    cdef bint halves_count
    @cython.locals(unanswered=cython.int[::1], first=cython.int[::1])
    cdef bint _walk(self, ExchangeTable exchanges, Order order) except -1
    cdef int _begin_anew(self) except -1
    cpdef bint is_extra(self, Py_ssize_t row) except -1
    cdef bint is_needed(self, Py_ssize_t row) except -1
    cpdef int pair(self, Py_ssize_t row) except? -1
    @cython.locals(slots=cython.int[::1])
    cdef int _number_pairs(self, const unsigned char[::1] wanted) except -1
    cdef Py_ssize_t _slot(self, int[::1] slots, Py_ssize_t row, unsigned long long secret) except -1
    cdef bint _same_pair(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef int _connections(self) except -1
    cdef bint is_handshake(self, Py_ssize_t row) except -1
    cdef bint _inside(self, ExchangeTable exchanges, Py_ssize_t row, Py_ssize_t connection) except -1
    @cython.locals(peaks=cython.int[::1], by_group=cython.int[::1])
    cdef int _narrow(self, ExchangeTable exchanges, object narrowed, object tunnelled) except -1
    cdef long long end(self, ExchangeTable exchanges, Py_ssize_t row, Py_ssize_t connection) except? 1
    @cython.locals(spare=cython.int[::1], begun=cython.uchar[::1])
    cpdef object mark_extra(self, int[::1] bounds)
    @cython.locals(peaks=cython.int[::1])
    cpdef object most_open(self)
    @cython.locals(peaks=cython.int[::1], begins=cython.longlong[::1])
    cpdef object peaks_in_order(self, ExchangeTable exchanges)
