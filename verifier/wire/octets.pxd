cimport cython

# Numbers at a place whose bytes were checked to be there.
cdef inline unsigned int number16(const unsigned char* at) noexcept nogil:
    return (<unsigned int> at[0] << 8) | at[1]

cdef inline unsigned int number32(const unsigned char* at) noexcept nogil:
    return (<unsigned int> at[0] << 24) | (<unsigned int> at[1] << 16) | (<unsigned int> at[2] << 8) | at[3]

cdef bytes copy(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end)
cdef int transfer(const unsigned char[::1] source, Py_ssize_t source_at, unsigned char[::1] target, Py_ssize_t target_at, Py_ssize_t size) except -1

@cython.final
cdef class Text:
    cdef const unsigned char[::1] view
    cdef int look(self, const unsigned char[::1] view) except -1
    cdef Py_ssize_t find(self, unsigned char wanted, Py_ssize_t at, Py_ssize_t end) except -2
    cdef bint is_word(self, Py_ssize_t at, Py_ssize_t end, bytes word) except -1
    cdef bint matches(self, Py_ssize_t at, bytes word) except -1
    cdef unsigned int hashed(self, Py_ssize_t at, Py_ssize_t end, unsigned int start) except? 0
