cimport cython

from verifier.judge.tally cimport Tally

# Numbers of the tables, by their names.
cdef int CLIENT, COMPLETE, H2, HALF, REFUSED, RST, UNANSWERED
cdef unsigned int ENCRYPTED, LATE_DATA, PAYLOAD_CUT, SUBFLOW

@cython.final
cdef class Lack:
    cdef readonly Py_ssize_t count, first
    cdef readonly int why
    cdef int add(self, Py_ssize_t row, int why) except -1

cpdef list lacking(Tally tally, bint runner_knows)

cdef bint lacks_handshake(Tally tally, Py_ssize_t row, bint carried) except -1
