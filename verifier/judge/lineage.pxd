cimport cython

from verifier.judge.endings cimport Endings, Members, is_tunnel
from verifier.judge.openings cimport Failures, Openings
from verifier.judge.busy cimport Heap
from verifier.judge.order cimport Order
from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable, ExchangeTable, Words

# Facts, and numbers of the tables, by their names.
cdef unsigned long long ERROR, FORWARDED, PARTIAL, SPENT, UNUSED, UPGRADED
cdef unsigned int ADJACENT, AFTER_CHALLENGE, ALIAS, BESIDE_OTHER, BESIDE_RESPONSE, BOTH_ENCRYPTED, CLOSED, CLOSES_UNREAD
cdef unsigned int CLOSED_KNOWING, CONNECTION_AUTH, CONNECT_REQUEST, ELSEWHERE, ENCRYPTED, FEW_EXTRA, GIVEN_UP, GOES_ON
cdef unsigned int IN_TURN, IN_VAIN, JUST_IDLE, KNOWING, NEW_REUSED, LEADS_ELSEWHERE, NEW_UNUSED, ONE_EXTRA, OPEN_BUSY
cdef unsigned int OPEN_IDLE, OTHER_AGENT
cdef unsigned int OTHER_NAME, PAIR_OVERLAPS, PAIR_REUSES, REDIRECTED, REFUSED_BETWEEN, REUSED_BEFORE, TAKING_TIME
cdef unsigned int TOGETHER
cdef int CLIENT, NOT_SEEN

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Line:
    cdef Py_ssize_t newest
    cdef int[::1] older, newer
    cdef unsigned char[::1] where
    cdef int mark
    cdef int begin(self) except -1
    cdef bint holds(self, Py_ssize_t row) except -1
    cdef int add(self, Py_ssize_t row) except -1
    cdef int remove(self, Py_ssize_t row) except -1

@cython.final
cdef class Lineage:
    cdef Tally tally
    cdef ConnectionTable table
    cdef Endings endings
    cdef ExchangeTable exchanges
    cdef Words words
    cdef int[::1] before, source, reached
    cdef unsigned char[::1] standing
    cdef public int[::1] in_use
    cdef public unsigned int[::1] bits
    cdef Openings openings
    cdef Order by_request
    cdef Line open, lost
    cdef unsigned char[::1] buried
    cdef Failures failures
    cdef Heap closings
    cdef bint in_vain
    cdef dict places
    cdef dict refused
    cdef long long way_ns
    cdef long long _least_away(self, Members members, Py_ssize_t pair) except? 1
    cpdef Py_ssize_t predecessor(self, Py_ssize_t row) except -2
    cpdef Py_ssize_t redirect(self, Py_ssize_t row) except -2
    cpdef bint was_in_use(self, Py_ssize_t row) except -1
    cpdef bint is_later(self, Py_ssize_t row) except -1
    cdef int _walk(self, Py_ssize_t pair, Members members) except -1
    cdef bint _is_in_vain(self, Py_ssize_t pair, Members members) except -1
    cdef Py_ssize_t _refused_one(self, Py_ssize_t row) except -2
    cdef bint _is_unneeded(self, Py_ssize_t row) except -1
    cdef int _retire(self, Py_ssize_t row) except -1
    cdef int _meet(self, Py_ssize_t pair, Py_ssize_t row) except -1
    cdef long long _left(self, Py_ssize_t row) except? 1
    cdef Py_ssize_t _dead_one(self, Py_ssize_t row) except -2
    cdef bint _is_of_no_use(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef bint _leads_elsewhere(self, Py_ssize_t row) except -1
    cdef bint _makes_tunnel(self, Py_ssize_t exchange) except -1
    cdef str _place(self, Py_ssize_t row)
    cdef bint _is_apart(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef bint _may_replace(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef Py_ssize_t _newest(self, Line line, Py_ssize_t row) except -2
    cdef bint _unheard(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef bint _is_spare_tunnel(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef bint _given_up(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef bint _one_passes_on(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef Py_ssize_t _let_go(self, Py_ssize_t row, long long moment) except -2
    cdef Py_ssize_t _lost_one(self, Py_ssize_t row) except -2
    cdef bint _same_agent(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef Py_ssize_t _going_one(self, Py_ssize_t row, long long moment) except -2
    cdef bint _breath(self, Py_ssize_t row, long long moment) except -1
    cdef Py_ssize_t _idle_one(self, Py_ssize_t row, long long moment, bint of_others) except -2
    cpdef Py_ssize_t current(self, Py_ssize_t row, long long moment) except -2
    cdef bint _busy(self, Py_ssize_t row, long long moment) except -1
    cdef bint _is_taken(self, Py_ssize_t row, Py_ssize_t new, long long moment) except -1
    cdef bint _opening(self, Py_ssize_t row, long long moment) except -1
    cdef long long _rests_since(self, Py_ssize_t row, long long moment) except? 1
    cdef long long _until(self, Py_ssize_t row, Py_ssize_t at) except? 1
    cdef unsigned int _compare(self, Py_ssize_t pair, Py_ssize_t row, Py_ssize_t before) except? 1
    cdef unsigned int _left_at(self, Py_ssize_t row, long long moment) except? 1
    cdef str _name(self, Py_ssize_t row)
    cdef bint _same_name(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef unsigned int _named_otherwise(self, Py_ssize_t row, Py_ssize_t other) except? 1
    cdef bint _in_turn(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef Order _by_request(self)
    cdef bint _beside_response(self, Py_ssize_t row, Py_ssize_t pair) except -1
    cdef bint _same_client(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef bint _same_asker(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef Py_ssize_t _next_opened(self, Py_ssize_t row) except -2
    cdef bint _used_others(self, Py_ssize_t row, Py_ssize_t pair) except -1
    cpdef Py_ssize_t redirect_to(self, Py_ssize_t row) except -2
    cdef Py_ssize_t _redirect(self, Py_ssize_t row, Py_ssize_t first) except -2
    cdef bint _leads(self, Py_ssize_t redirect, Py_ssize_t row, Py_ssize_t exchange) except -1
