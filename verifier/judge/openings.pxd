cimport cython

from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable

# Numbers of the tables, by their names.
cdef int REFUSED, UNANSWERED

# Of a final class `except? 1`, not -1: Cython 3.3 writes a negative long long there with four Ls, which is no C.
@cython.final
cdef class Failures:
    cdef int[::1] ends
    cdef long long[::1] times
    cdef long long latest(self, Py_ssize_t pair, long long moment) except? 1

@cython.final
cdef class Openings:
    cdef ConnectionTable table
    cdef Tally tally
    cdef int[::1] client_of, rows, starts
    cdef Py_ssize_t found
    cdef Py_ssize_t first(self, Py_ssize_t row, long long moment) except -2
