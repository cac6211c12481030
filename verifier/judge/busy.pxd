cimport cython

cdef bint sooner(long long end, unsigned int frame, long long other, unsigned int other_frame) noexcept

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
