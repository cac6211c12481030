cimport cython

cdef bytes copy(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end)
cdef int transfer(const unsigned char[:] source, Py_ssize_t source_at, unsigned char[:] target, Py_ssize_t target_at, Py_ssize_t size) except -1

@cython.final
cdef class Text:
    cdef const unsigned char[:] view
    cdef int look(self, const unsigned char[:] view) except -1
    cdef Py_ssize_t find(self, unsigned char wanted, Py_ssize_t at, Py_ssize_t end) except -2
    cdef bint is_word(self, Py_ssize_t at, Py_ssize_t end, bytes word) except -1
    cdef bint equals(self, Py_ssize_t at, Py_ssize_t end, const unsigned char[:] other, Py_ssize_t other_at) except -1
