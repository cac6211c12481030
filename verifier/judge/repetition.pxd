cimport cython

from verifier.judge.endings cimport Endings, Members, Said, is_tunnel
from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable, ExchangeTable

# Facts, and a number of the tables, by their names.
cdef unsigned long long AGE_REPEATS, ALWAYS_ONE, ALWAYS_SAID, AT_ONCE, BODILESS, BOTH_FIRST, CLIENT_FIRST
cdef unsigned long long COUNT_BY_SERVER, COUNT_REPEATS, COUNT_TOGETHER, DAMAGED, ENCRYPTED, FORWARDED, GAP_ABOVE_REUSE
cdef unsigned long long GAP_ANNOUNCED, GAP_KNOWN, GAP_REPEATS, IDLE, IS_H2, ONLY_BODILESS, ONLY_ERRORS, OTHERS_KEPT
cdef unsigned long long OTHERS_SAID_NOTHING, OUTLIVED, PAUSE_PAST_LIMIT, SAID_CLOSE, SAME_INSTANT, SERVER_FIRST, SPENT
cdef unsigned long long TOLD, WAITING
cdef int NOT_SEEN
cdef unsigned int CONNECT_REQUEST

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Numbering:
    cdef dict of
    cdef Py_ssize_t last, times
    cdef int add(self, Py_ssize_t number) except -1
    cdef int _settle(self) except -1
    cdef dict counted(self)
    cdef Py_ssize_t usual(self) except -1

cpdef long long leeway(long long time) except -1

@cython.locals(order=cython.int[::1])
cpdef int[::1] alike(long long[::1] times)

@cython.final
cdef class Repetition:
    cdef Endings endings
    cdef Tally tally
    cdef ConnectionTable table
    cdef ExchangeTable exchanges
    cdef Members members
    cdef unsigned long long[::1] bits
    cdef int[::1] room, rows, at_once, idle, by_client
    cdef dict expiries
    cdef Said said
    cdef public dict longest
    cdef public list discarded
    cdef int _compare(self, Py_ssize_t pair, dict by_server) except -1
    cdef int[::1] _of(self, Py_ssize_t pair)
    cdef int _kind(self, Py_ssize_t row) except -1
    cdef bint _is_unsure(self, Py_ssize_t row, unsigned long long bits) except -1
    cdef bint _closed_unsaid(self, Py_ssize_t row) except -1
    cdef bint _sort(self) except -1
    @cython.locals(gaps=cython.longlong[::1])
    cpdef object idle_gaps(self, Py_ssize_t pair, unsigned long long closers)
    cpdef tuple limited(self, Py_ssize_t pair, unsigned int count)
    cdef bint _is_limited(self, unsigned long long bits) except -1
    cdef tuple _server(self, Py_ssize_t row)
    @cython.locals(gaps=cython.longlong[::1], group=cython.int[::1])
    cdef long long _same_gap(self, int[::1] rows) except? 1
    cdef int _short_timers(self) except -1
    cdef bint _is_soon(self, Py_ssize_t row) except -1
    cdef int _counts(self) except -1
    cdef bint _together(self, Py_ssize_t count) except -1
    @cython.locals(rows=cython.int[::1], ages=cython.longlong[::1], group=cython.int[::1])
    cdef int _ages(self) except -1
    cdef Py_ssize_t _unlimited(self, int[::1] rows, int[::1] found) except -1
    cdef long long _announced(self) except? 1
    cdef int _outlived(self, Py_ssize_t pair, long long longest) except -1
    cdef long long _longest_pause(self) except? 1
    cdef int _past_limit(self, long long limit) except -1
    cdef int _headers(self, Py_ssize_t pair) except -1
    cdef int _bodiless(self, Py_ssize_t pair) except -1
    cdef bint _closed_behind(self, Py_ssize_t row) except -1
    @cython.locals(rows=cython.int[::1])
    cdef int _instants(self, list pairs) except -1
    @cython.locals(rows=cython.int[::1], keys=cython.longlong[::1])
    cdef int[::1] _unsaid_of(self, list pairs)
    @cython.locals(order=cython.int[::1])
    cdef int _reorder(self, int[::1] rows, long long[::1] keys) except -1
    cdef bint _differ(self, int[::1] rows) except -1
    @cython.locals(rows=cython.int[::1])
    cdef int _kept(self) except -1
    cdef bint _goes_on(self, Py_ssize_t other, Py_ssize_t row) except -1
