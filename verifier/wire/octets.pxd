cdef Py_ssize_t find(const unsigned char[:] view, unsigned char wanted, Py_ssize_t at, Py_ssize_t end) except -2
cdef bytes copy(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end)
cdef bint same(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end, bytes text) except -1
cdef bint same_word(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end, bytes word) except -1
