cdef class Notes:
    cdef long long[:] counts
    cdef long long[:] frames
    cdef int add(self, int code, unsigned int frame) except -1
    cpdef list seen(self)
