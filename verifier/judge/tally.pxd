cimport cython

from verifier.wire.tables cimport ConnectionTable, ExchangeTable

# Numbers of the tables, by their names.
cdef int CLIENT, COMPLETE, H2, HALF, HTTP1, NOT_SEEN, REFUSED, RST, UNANSWERED
cdef unsigned int CLIENT_STOPPED_READING, CONNECT_REQUEST, DEPTH_UNSURE, ENCRYPTED, EXCESS, LATE_DATA
cdef unsigned int NOT_TAKEN, PAYLOAD_CUT, REQUEST_CLOSE, RESPONSE_DONE, SUBFLOW, TUNNEL, UPGRADED

cpdef int reuse(int connection_state, unsigned int connection_flags, unsigned int exchange_flags, unsigned int depth) except -1

cdef bint ends_whole(unsigned int exchange_flags, int closer) noexcept

cdef bint gave_up(ConnectionTable table, Py_ssize_t row) except -1

cdef bint sooner(long long end, unsigned int frame, long long other, unsigned int other_frame) noexcept

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Heap:
    cdef Py_ssize_t size
    cdef long long[::1] keys
    cdef unsigned int[::1] seconds
    cdef int[::1] values
    cdef int push(self, long long key, unsigned int second, Py_ssize_t value) except -1
    cdef Py_ssize_t pop(self) except -1
    cdef int replace(self, long long key, unsigned int second, Py_ssize_t value) except -1
    cdef int _put(self, Py_ssize_t place, long long key, unsigned int second, Py_ssize_t value) except -1

@cython.final
cdef class Order:
    cdef long long[:] times
    cdef Py_ssize_t rows
    cdef bint sorted
    cdef int[::1] places
    cpdef Py_ssize_t row(self, Py_ssize_t place) except -1
    cdef Py_ssize_t lower(self, long long moment) except -1

cdef bint in_order(long long[:] times, Py_ssize_t rows) except -1

@cython.locals(aside=cython.int[::1])
cdef int reorder(long long[:] times, int[::1] order) except -1

@cython.locals(order=cython.int[::1])
cpdef int[::1] ordered(long long[:] times, Py_ssize_t rows)

cdef int merge(long long[:] times, int[::1] order, int[::1] aside, Py_ssize_t middle, Py_ssize_t width) except -1

@cython.final
cdef class Busy:
    cdef int[::1] peaks, count, place_of, pairs, owners
    cdef long long[::1] ends
    cdef unsigned int[::1] frames
    cdef Heap heap
    cdef Py_ssize_t free, places, hand, newest
    cdef long long moment
    cdef unsigned int frame
    cdef int go_to(self, long long moment, unsigned int frame) except -1
    cdef bint begin(self, Py_ssize_t pair, Py_ssize_t owner, long long end, unsigned int frame) except -1
    cdef int _put(self, Py_ssize_t place, Py_ssize_t pair, Py_ssize_t owner, long long end, unsigned int frame) except -1
    cdef Py_ssize_t _left(self, Py_ssize_t pair, long long end, unsigned int frame) except -2
    cdef bint _begin_elsewhere(self, Py_ssize_t pair, Py_ssize_t owner, long long end, unsigned int frame) except -1
    cdef bint _over(self, long long end, unsigned int frame) noexcept
    cdef int _clear(self, Py_ssize_t pair, Py_ssize_t spared) except -1
    cdef Py_ssize_t _place(self) except -1

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
