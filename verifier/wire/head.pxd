cimport cython

from verifier.wire.octets cimport Text
from verifier.wire.packet cimport Packet

@cython.final
cdef class Head:
    cdef Text text
    cdef Py_ssize_t start, last_size, last_line, last_target_end
    cdef int method_word, host_word
    cdef unsigned char[::1] last
    cdef int _remember(self, Py_ssize_t line_end, Py_ssize_t end) except -1
    cdef Py_ssize_t _same_but_target(self, const unsigned char* first, Py_ssize_t size, Py_ssize_t at) except -100
    cdef int _move(self, Py_ssize_t at) except -1
    cdef public int status, version
    cdef public long long length
    cdef public bint chunked, coded, close, keep_alive, upgrade, proxied, bound_auth, h2c, to_tls, forwarded
    cdef public unsigned int keep_timeout, keep_max
    cdef Py_ssize_t proxy_line
    cdef public Py_ssize_t method, method_end, target, target_end, host, host_end
    cdef public Py_ssize_t product, product_end, location, location_end
    cdef bint plausible(self, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int version_at(self, Py_ssize_t at, Py_ssize_t end) except -2
    cdef Py_ssize_t again(self, Packet packet, Py_ssize_t at, Py_ssize_t end) except -100
    cdef Py_ssize_t parse(self, const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end) except -100
    cdef bint start_line(self, Py_ssize_t at, Py_ssize_t line_end) except -1
    cdef bint _status_line(self, Py_ssize_t i, Py_ssize_t stop) except -1
    cdef bint _request_line(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef bint is_preface(self) except -1
    cdef int _folded(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef bint _is_forwarding(self, Py_ssize_t at, Py_ssize_t colon) except -1
    cdef int _authenticate(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef int _keep_alive(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef unsigned int _number(self, Py_ssize_t at, Py_ssize_t stop) except? 0
    cdef int field(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef int _connection(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef int _length(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef bint _starts(self, Py_ssize_t at, Py_ssize_t stop, bytes word) except -1
    cdef bint _ends_chunked(self, Py_ssize_t at, Py_ssize_t stop) except -1
