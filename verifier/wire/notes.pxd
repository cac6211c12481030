cdef class Notes:
    cdef long long[::1] counts
    cdef long long[::1] frames
    cdef int add(self, int code, unsigned int frame) except -1
    cpdef list seen(self)
