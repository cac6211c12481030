cimport cython

from verifier.judge.relays cimport Relays
from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable, ExchangeTable

# Facts, and numbers of the tables, by their names.
cdef unsigned long long AFTER_PAUSE, ALERT, ALERT_ANSWERS, AT_ONCE, BODILESS, BOTH_FIRST, BY_RESET, CLIENT_FIRST
cdef unsigned long long CLOSE_FITS, CLOSED_BEFORE_REQUEST, COUNT_ANNOUNCED, DAMAGED, ENCRYPTED, ERROR, FORWARDED
cdef unsigned long long HTTP10_REQUEST, HTTP10_RESPONSE, IDLE, IS_H2, LONG_PAUSE, NEVER_KEEPS, NO_EXPIRY, PARTIAL, QUICKLY, SERVER_FIRST
cdef unsigned long long SEVERAL, SPENT, STALLED, STILL_OPEN, TOLD, TUNNEL, UNUSED, WAITING
cdef unsigned int CLIENT_SPOKE_LAST, CLIENT_STOPPED_READING, CONNECT_REQUEST, HEAD_REQUEST, PAYLOAD_CUT, REQUEST_HTTP10
cdef unsigned int RELAYED, RESPONSE_CLOSE, RESPONSE_DONE, RESPONSE_HTTP10, RESPONSE_KEEP_ALIVE, SERVER_ALERT, REQUEST_CLOSE
cdef int CLIENT, H2, NOBODY, NOT_SEEN, RST, SERVER

cpdef set distinct(int[::1] values)

cdef int keep(list rows, Py_ssize_t row) except -1

cpdef ExchangeTable speech(ExchangeTable exchanges, ExchangeTable turns, Py_ssize_t connections)

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Known:
    cdef frozenset words
    cdef int last
    cdef bint found
    cdef bint has(self, int number) except -1

@cython.final
cdef class Meaning:
    cdef unsigned int[::1] flags
    cdef unsigned long long[::1] facts
    cdef unsigned int last
    cdef unsigned long long found
    cdef unsigned long long of(self, unsigned int flags) except? 1

@cython.final
cdef class Said:
    cdef int[::1] answered, closing, closing_errors, kept, followed, bodiless
    cdef int answer(self, Py_ssize_t pair, unsigned int flags, int status, int times) except -1
    cdef int follow(self, Py_ssize_t pair, unsigned int flags, int status, int times) except -1

cdef bint is_tunnel(unsigned int flags, int status) noexcept
cdef bint is_bodiless(unsigned int flags, int status) noexcept

cdef class Members

@cython.final
cdef class Endings:
    cdef Tally tally
    cdef ConnectionTable table
    cdef ExchangeTable exchanges
    cdef Known closers, patient, readers
    cdef Relays relays
    cdef dict told
    cdef public unsigned long long[::1] bits
    cdef public unsigned int[::1] count
    cdef public int[::1] first
    cdef public int[::1] last
    cdef int[::1] prior, host
    cdef long long[::1] begun_ns, asked_ns, ended_ns, pause_ns
    cdef unsigned int[::1] flags
    cdef unsigned short[::1] status
    cdef Meaning by_connection, by_exchange
    cdef int[::1] chain
    cdef bint chained, redirects
    cdef Said said
    cdef public list ignored_closes, overlapping, excess, short, crossed
    cdef public Members members
    cdef int _thread(self) except -1
    cdef int _follows(self, Py_ssize_t before, Py_ssize_t row) except -1
    cdef str leads_to(self, Py_ssize_t row)
    cpdef Py_ssize_t following(self, Py_ssize_t at) except -2
    @cython.locals(latest=cython.int[::1])
    cdef int _chain(self) except -1
    cdef long long soon(self, Py_ssize_t row) except? 1
    cdef int _look(self, Py_ssize_t row) except -1
    cdef int _end(self, Py_ssize_t row) except -1
    cdef bint _is_relayed(self, Py_ssize_t row) except -1
    cdef int _forget_too_late(self, Py_ssize_t row) except -1
    cdef bint _speaks_h2(self, Py_ssize_t row) except -1
    cdef unsigned long long _rested(self, Py_ssize_t row) except? 1
    cpdef long long gap(self, Py_ssize_t row) except? 1
    cdef long long _rest(self, Py_ssize_t row) except? 1
    cdef bint _alerted(self, Py_ssize_t row) except -1
    cdef unsigned long long _unread(self, Py_ssize_t row) except? 1
    cdef unsigned long long _spoken(self, Py_ssize_t row) except? 1
    cdef unsigned long long _moment(self, Py_ssize_t row) except? 1
    cdef bint _shorter_by_close(self, Py_ssize_t row) except -1
    cdef unsigned int _frame(self, Py_ssize_t exchange) except? 1
    cdef long long pause(self, Py_ssize_t row) except? 1

@cython.final
cdef class Members:
    cdef Py_ssize_t many
    cdef int[::1] pairs, starts, sizes, rows
    cpdef object of(self, Py_ssize_t pair)
    cpdef object with_several(self)
