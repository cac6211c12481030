cimport cython

from verifier.judge.order cimport Order
from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable, ExchangeTable, Words

@cython.final
cdef class Relays:
    cdef Tally tally
    cdef ConnectionTable table
    cdef ExchangeTable exchanges
    cdef Words words
    cdef unsigned char[::1] inner, relay, before
    cdef dict asked_by
    cdef int[::1] outer, tried, matched
    cpdef bint passes_on(self, Py_ssize_t row) except -1
    cpdef bint relays(self, Py_ssize_t pair) except -1
    cdef bint _meet(self) except -1
    cdef tuple _address(self, Py_ssize_t row, int of_server)
    cdef bint _same(self, Py_ssize_t one, int one_of_server, Py_ssize_t two, int two_of_server) except -1
    cdef int _look(self) except -1
    cdef int _count(self, Py_ssize_t pair, Py_ssize_t outer, int times) except -1
    @cython.locals(owned=cython.int[::1])
    cdef int _decide(self) except -1
    cdef int _name(self) except -1
    cdef bint _named_alike(self, Py_ssize_t row, Py_ssize_t other) except -1
    cdef Py_ssize_t _outer(self, Order order, Py_ssize_t place, Py_ssize_t inner) except -2
    cdef bint _holds(self, Py_ssize_t outer, Py_ssize_t inner) except -1
