cdef Py_ssize_t find(const unsigned char[:] view, unsigned char wanted, Py_ssize_t at, Py_ssize_t end) except -2
cdef bytes copy(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end)
cdef bint same(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end, bytes text) except -1
cdef bint same_word(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end, bytes word) except -1
cdef bint equal(const unsigned char[:] one, Py_ssize_t one_at, const unsigned char[:] other, Py_ssize_t other_at, Py_ssize_t size) except -1
cdef int transfer(const unsigned char[:] source, Py_ssize_t source_at, unsigned char[:] target, Py_ssize_t target_at, Py_ssize_t size) except -1
