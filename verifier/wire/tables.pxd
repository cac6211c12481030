cimport cython

from verifier.wire.half cimport Half
from verifier.wire.head cimport Head
from verifier.wire.notes cimport Notes
from verifier.wire.octets cimport Text

@cython.final
cdef class Words:
    cdef public Py_ssize_t count
    cdef Py_ssize_t filled
    cdef object letters, places
    cdef unsigned char[::1] buffer
    cdef unsigned int[::1] starts
    cdef int[::1] recent
    cdef unsigned int[::1] hashes
    cdef Text single
    cdef int add(self, Text text, Py_ssize_t at, Py_ssize_t end) except -2
    cdef bint _holds(self, Py_ssize_t number, Text text, Py_ssize_t at, Py_ssize_t size) except -1
    cpdef bint same(self, Py_ssize_t one, Py_ssize_t other) except -1
    cpdef bint ends_alike(self, Py_ssize_t one, Py_ssize_t other) except -1
    cpdef int number(self, bytes word) except -2
    cdef int _room(self, Py_ssize_t size) except -1


cdef class Table:
    cdef public Py_ssize_t rows, capacity
    cdef Py_ssize_t width, taken
    cdef object block
    cdef unsigned char[::1] cells
    cdef dict apart, views
    cdef Py_ssize_t add(self) except -1
    cdef int _grow(self) except -1
    cdef int _lay_out(self) except -1
    cdef object _in_row(self, str name, str code)
    cdef object _apart(self, str name, str code)


@cython.final
cdef class ConnectionTable(Table):
    cdef unsigned long long[:] lo0, lo1, bytes0, bytes1, history_early, numbers, hi0, hi1, history_late, setup_bytes, missing
    cdef long long[:] opened, closed, answered, active, handshake_ns, tls_ns, body_left, odd_ns, away
    cdef unsigned int[:] packets0, packets1, largest0, largest1, first_frame, syn_frame, synack_frame, ack_frame, close_frame
    cdef unsigned int[:] answer_frame, request_frame, requests, responses, setup_packets, flags, turns, keep_timeout, keep_max
    cdef unsigned int[:] again_frame, odd_frame
    cdef int[:] agent, software
    cdef unsigned short[:] port0, port1, odd_status
    cdef unsigned char[:] version, client, state, closer, closed_with, answered_with, protocol, farther
    cdef public dict places, tls, tunnels
    cdef public object networks
    cdef public set nameless, told
    cdef public list doubts
    cdef public dict twins


@cython.final
cdef class ExchangeTable(Table):
    cdef long long[:] request_ns, response_ns, end_ns
    cdef unsigned int[:] connection, depth, flags, request_frame, response_frame, end_frame, octets
    cdef int[:] method, target, host, location
    cdef unsigned short[:] status
    cdef int add_from(self, ExchangeTable other, Py_ssize_t row) except -1


cdef class Ledger:
    cdef bint control_only
    cdef Py_ssize_t held, unread
    cdef dict answered_before
    cdef public Notes notes
    cdef public ConnectionTable connections
    cdef public ExchangeTable exchanges, turns
    cdef public Words words
    cdef Head request_head, response_head, other_response_head
    cdef Half silent
    cdef Head response_heads_swapped(self)
