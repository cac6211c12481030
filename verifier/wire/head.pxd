cdef bint plausible(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end) except -1
cdef int version_at(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end) except -2
cdef bint starts(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop, bytes word) except -1
cdef bint ends(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop, bytes word) except -1
cdef bint has_token(const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop, bytes word) except -1

cdef class Head:
    cdef public int status, version
    cdef public long long length
    cdef public bint chunked, coded, close, keep_alive, upgrade, expects, proxied, bound_auth, h2c
    cdef public Py_ssize_t method, method_end, target, target_end, host, host_end, agent, agent_end
    cdef Py_ssize_t parse(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t end) except -100
    cdef bint start_line(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t line_end) except -1
    cdef bint _status_line(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef bint _request_line(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef int field(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef int _connection(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef int _length(self, const unsigned char[:] view, Py_ssize_t at, Py_ssize_t stop) except -1
