from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable, ExchangeTable

cpdef set distinct(int[::1] values)

cdef int keep(object rows, Py_ssize_t row) except -1

cpdef ExchangeTable speech(ExchangeTable exchanges, ExchangeTable turns, Py_ssize_t connections)

cdef class Endings:
    cdef Tally tally
    cdef ConnectionTable table
    cdef ExchangeTable exchanges
    cdef dict expiries, told
    cdef Py_ssize_t prior
    cdef frozenset closers, patient
    cdef public object limits, longest
    cdef dict by_server
    cdef public object members
    cdef public unsigned long long[::1] bits
    cdef public long long[::1] gap
    cdef public long long[::1] pause
    cdef public unsigned int[::1] count
    cdef public int[::1] first
    cdef public int[::1] last
    cdef public int[::1] next
    cdef public list ignored_closes, overlapping, excess, short, discarded
    cdef int _thread(self) except -1
    cdef int _follows(self, Py_ssize_t before, Py_ssize_t row) except -1
    cdef long long soon(self, Py_ssize_t row) except -1
    cdef int _end(self, Py_ssize_t row) except -1
    cdef int _forget_too_late(self, Py_ssize_t row, int closer) except -1
    cdef bint _speaks_h2(self, Py_ssize_t row) except -1
    cdef unsigned long long _rested(self, Py_ssize_t row, long long end) except? 1
    cdef unsigned long long _unread(self, Py_ssize_t row) except? 1
    cdef unsigned long long _spoken(self, Py_ssize_t row, Py_ssize_t last) except? 1
    cdef unsigned long long _moment(self, Py_ssize_t row, Py_ssize_t last) except? 1
    cdef unsigned int _frame(self, Py_ssize_t exchange) except? 1
    cdef long long _pause(self, Py_ssize_t row, Py_ssize_t last) except -1
    cdef int _compare(self, Py_ssize_t pair, object members) except -1
    cpdef list idle_gaps(self, Py_ssize_t pair, unsigned long long closers)
    cpdef tuple limited(self, Py_ssize_t pair, unsigned int count)
    cdef bint _is_limited(self, unsigned long long bits) except -1
    cdef tuple _server(self, Py_ssize_t row)
    cdef list _same_gap(self, object rows)
    cdef int _bodiless(self, object members) except -1
    cdef bint _is_bodiless(self, Py_ssize_t at) except -1
    cdef int _short_timers(self, object members) except -1
    cdef int _counts(self, object rows) except -1
    cdef bint _together(self, object rows) except -1
    cdef int _ages(self, object rows) except -1
    cdef int _announced(self, Py_ssize_t pair, object rows) except -1
    cdef int _outlived(self, object rows, object members) except -1
    cdef int _expected(self, object rows, object members) except -1
    cdef long long _longest_pause(self, Py_ssize_t row) except -2
    cdef int _headers(self, object members) except -1
    cdef int _instants(self, object rows) except -1
    cdef bint _differ(self, object rows) except -1
    cdef int _kept(self, object members) except -1
    cdef bint _alive(self, Py_ssize_t row, long long moment) except -1
