cimport cython

from verifier.wire.octets cimport Text
from verifier.wire.packet cimport Packet

# Reads in the packet's buffer from now on: the one it has, for nearly all. (To hand a view to a function copies it.)
cdef inline int look_at(Text text, Packet packet) except -1:
    cdef Py_ssize_t size = text.view.shape[0]
    if size == 0 or size != packet.view.shape[0] or &text.view[0] != &packet.view[0]:
        text.look(packet.view)
    return 0

@cython.final
cdef class Head:
    cdef Text text
    cdef Py_ssize_t start, last_size, last_line, last_target_end
    cdef int method_word, host_word, product_word
    cdef bint usual
    cdef int next
    cdef unsigned int flags
    cdef unsigned char[::1] last
    cdef int _remember(self, Py_ssize_t line_end, Py_ssize_t end) except -1
    cdef public int status, version
    cdef public long long length
    cdef long long length_before, whole
    cdef public bint chunked, coded, close, keep_alive, upgrade, bound_auth, h2c, to_tls, forwarded, expects
    cdef public unsigned int keep_timeout, keep_max
    cdef Py_ssize_t proxy_line
    cdef public Py_ssize_t method, method_end, target, target_end, host, host_end
    cdef public Py_ssize_t product, product_end, location, location_end
    cdef bint plausible(self, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int version_at(self, Py_ssize_t at, Py_ssize_t end) except -2
    cdef Py_ssize_t target_again(self, const unsigned char* first, Py_ssize_t size) except -100
    cdef bint same(self, const unsigned char* first, Py_ssize_t size) except -1
    cdef Py_ssize_t parse(self, const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end) except -100
    cdef bint start_line(self, Py_ssize_t at, Py_ssize_t line_end) except -1
    cdef bint _has_hole(self, Py_ssize_t end) except -1
    cdef bint _status_line(self, Py_ssize_t i, Py_ssize_t stop) except -1
    cdef bint _request_line(self, Py_ssize_t at, Py_ssize_t stop) except -1
    cdef bint is_preface(self) except -1
    cdef bint hinges_on_target(self) except -1
    cdef int _spaced(self, Py_ssize_t at, Py_ssize_t colon) except -1
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
