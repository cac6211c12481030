cimport cython

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
