cimport cython

from verifier.judge.endings cimport Endings
from verifier.judge.lineage cimport Lineage
from verifier.judge.tally cimport Tally
from verifier.wire.tables cimport ConnectionTable

# Facts, by their names.
cdef unsigned long long AFTER_PAUSE, WAITING
cdef unsigned int ADJACENT

@cython.final
cdef class Group:
    cdef public Py_ssize_t pair, number, first, size

@cython.final
cdef class Extent:
    cdef public long long least, most
    cdef int take(self, long long value) except -1

@cython.final
cdef class Summary:
    cdef public Extent gap, pause, waited, count, left, came
    cdef public list lost
    cdef public Py_ssize_t unanswered, adjacent
    cdef public set statuses
    cdef public dict counts
    cdef public long long extra, cost_ns, packets, octets, lengths

@cython.final
cdef class Groups:
    cdef Lineage lineage
    cdef Tally tally
    cdef ConnectionTable table
    cdef Endings endings
    cdef int[::1] of
    cdef public list all
    cpdef object number(self, Py_ssize_t row)
    @cython.locals(counts=cython.int[::1])
    cdef int _put_together(self, object decide) except -1
    @cython.locals(rows=cython.int[::1], ends=cython.int[::1], place_of=cython.int[::1])
    cpdef list gathered(self, list places, list sizes)
    cpdef Summary summary(self, int[::1] rows)
