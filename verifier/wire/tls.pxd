from verifier.wire.packet cimport Packet
from verifier.wire.speech cimport Speech
from verifier.wire.tables cimport ExchangeTable, Ledger

cdef bint looks_like_tls(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end) except -1

cdef class Direction:
    cdef bytes header
    cdef bytearray hello
    cdef long long left, finished_ns
    cdef int kind
    cdef bint lost, changed

cdef class Tls(Speech):
    cdef Direction direction0, direction1
    cdef bytes name, alpn, session
    cdef int speaker
    cdef Py_ssize_t turn
    cdef long long parting_ns, sealing, short_ns
    cdef unsigned int parting_frame, short_frame
    cdef int version, resumed
    cdef bint agrees_on_h2, answered, server_ended
    cdef int begin(self, Ledger ledger, Py_ssize_t row) except -1
    cdef int data(self, Packet packet, int side) except -1
    cdef int gap(self, Packet packet, int side, long long size) except -1
    cdef int end(self, Packet packet, int side) except -1
    cdef int close(self) except -1
    cdef int _record(self, Packet packet, int side, int kind, int major, long long size) except -1
    cdef int _spoke(self, Packet packet, int side, long long size) except -1
    cdef int _answer(self, unsigned int frame, long long moment) except -1
    cdef int _part(self) except -1
    cdef int _ask(self, unsigned int frame, long long moment) except -1
    cdef int _alert(self, Packet packet, int side) except -1
    cdef int _ready(self) except -1
    cdef int _collect(self, Direction way, int side, bytes piece) except -1
    cdef int _client_hello(self, bytes message) except -1
    cdef int _server_hello(self, bytes message) except -1
