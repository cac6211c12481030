cimport cython

from verifier.wire.head cimport Head
from verifier.wire.packet cimport Packet
from verifier.wire.speech cimport Speech
from verifier.wire.tables cimport ExchangeTable, Ledger

# They hold each other in no circle, so that the collector need not know them.
@cython.final
cdef class Lane:
    cdef int state
    cdef bint fresh, strayed
    cdef unsigned int first_frame, last_frame
    cdef long long left, whole, first_ns, last_ns
    cdef bytearray held
    cdef Py_ssize_t row
    cdef int begin(self) except -1
    cdef int lose(self) except -1

cdef class Http1(Speech):
    cdef Lane lane0, lane1
    cdef Head head
    cdef Py_ssize_t front
    cdef object waiting
    cdef bint pipelined, socks
    cdef Speech inner
    cdef int begin(self, Ledger ledger, Py_ssize_t row) except -1
    cdef int data(self, Packet packet, int side) except -1
    cdef int gap(self, Packet packet, int side, long long size) except -1
    cdef int end(self, Packet packet, int side) except -1
    cdef bint acknowledged(self, long long moment) except -1
    cdef int close(self) except -1
    cdef bint _is_over(self) except -1
    cdef int _hand_over(self, Packet packet, int side, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int _to_tls(self) except -1
    cdef int _to_h2(self, int side, int left) except -1
    cdef int _in_excess(self, Lane lane, unsigned int frame) except -1
    cdef int _keep_last_byte(self, Lane lane) except -1
    cdef int _unfinished(self, Lane lane, int side) except -1
    cdef int _ends(self, Lane lane, unsigned int flags) except -1
    cdef Py_ssize_t _request_again(self, Lane lane, Packet packet, Py_ssize_t at, Py_ssize_t end) except -2
    cdef Py_ssize_t _response_again(self, Lane lane, Packet packet, Py_ssize_t at, Py_ssize_t end) except -2
    cdef Py_ssize_t _head(self, Lane lane, int side, Packet packet, Py_ssize_t at, Py_ssize_t end) except -1
    cdef Py_ssize_t _held_head(self, Lane lane, int side, Packet packet, Py_ssize_t at, Py_ssize_t end) except -1
    cdef Py_ssize_t _unless_too_long(self, Lane lane, int side, Packet packet, Py_ssize_t at, Py_ssize_t end) except -1
    cdef bytearray _keep(self, Lane lane, Packet packet, Py_ssize_t at, Py_ssize_t end)
    cdef bint _overfull(self, Packet packet) except -1
    cdef int _let_go(self, Lane lane) except -1
    cdef Py_ssize_t _not_http(self, Lane lane, int side, Packet packet, Py_ssize_t at, Py_ssize_t end) except -1
    cdef Py_ssize_t _body_after_all(self, Lane lane, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int _message(self, Lane lane, int side, Packet packet) except -1
    cdef int _drop_excess(self, Lane lane) except -1
    cdef int _out_of_role(self, Lane lane, int side, Packet packet) except -1
    cdef int _missed(self, Lane lane, int side, Packet packet) except -1
    cdef bint _is_http_inside(self) except -1
    cdef int _was_waiting(self, Lane lane, int side, long long moment) except -1
    cdef int _pass_over(self, int side) except -1
    cdef int _request(self, Lane lane, Packet packet) except -1
    cdef int _open_exchange(self, Lane lane, int target) except -1
    cdef int _count_response(self) except -1
    cdef int _word(self, Py_ssize_t at, Py_ssize_t end, Packet packet) except -2
    cdef int _wait(self, Py_ssize_t row, Packet packet) except -1
    cdef int _response(self, Lane lane, Packet packet) except -1
    cdef Py_ssize_t _last_waiting(self) except -2
    cdef unsigned int _response_flags(self, Py_ssize_t row) except? 0
    cdef int _response_body(self, Lane lane, unsigned int asked) except -1
    cdef int _message_end(self, Lane lane, int side) except -1
    cdef Py_ssize_t _line(self, Lane lane, int side, Packet packet, Py_ssize_t at, Py_ssize_t end) except -1

cdef bint has_method(bytearray text, Py_ssize_t end) except -1

cdef long long chunk_size(bytes line) except -2

cdef bint is_field(bytes line) except -1
