cimport cython

from verifier.wire.head cimport Head
from verifier.wire.notes cimport Notes
from verifier.wire.octets cimport Text

@cython.final
cdef class Words:
    cdef public Py_ssize_t count
    cdef Py_ssize_t filled
    cdef object buffer_array, starts_array
    cdef unsigned char[::1] buffer
    cdef unsigned int[::1] starts
    cdef int[::1] recent
    cdef unsigned int[::1] hashes
    cdef Text single
    cdef int add(self, Text text, Py_ssize_t at, Py_ssize_t end) except -2
    cdef bint holds(self, Py_ssize_t number, Text text, Py_ssize_t at, Py_ssize_t end) except -1
    cpdef bint same(self, Py_ssize_t one, Py_ssize_t other) except -1
    cpdef int number(self, bytes word) except -2
    cdef int _room(self, Py_ssize_t size) except -1


@cython.final
cdef class ConnectionTable:
    cdef public Py_ssize_t rows, capacity
    cdef public dict arrays
    cdef unsigned long long[::1] hi0
    cdef unsigned long long[::1] lo0
    cdef unsigned long long[::1] hi1
    cdef unsigned long long[::1] lo1
    cdef unsigned short[::1] port0
    cdef unsigned short[::1] port1
    cdef unsigned char[::1] version
    cdef long long[::1] opened
    cdef long long[::1] closed
    cdef long long[::1] last
    cdef long long[::1] handshake_ns
    cdef long long[::1] tls_ns
    cdef unsigned int[::1] first_frame
    cdef unsigned int[::1] syn_frame
    cdef unsigned int[::1] synack_frame
    cdef unsigned int[::1] ack_frame
    cdef unsigned int[::1] close_frame
    cdef unsigned int[::1] request_frame
    cdef unsigned int[::1] requests
    cdef unsigned int[::1] responses
    cdef unsigned int[::1] flags
    cdef unsigned long long[::1] history_early
    cdef unsigned long long[::1] history_late
    cdef unsigned int[::1] packets0
    cdef unsigned int[::1] packets1
    cdef unsigned int[::1] largest0
    cdef unsigned int[::1] largest1
    cdef unsigned long long[::1] bytes0
    cdef unsigned long long[::1] bytes1
    cdef unsigned long long[::1] missing
    cdef unsigned char[::1] client
    cdef unsigned char[::1] state
    cdef unsigned char[::1] closer
    cdef unsigned char[::1] closed_with
    cdef unsigned char[::1] protocol
    cdef unsigned char[::1] answered_with
    cdef long long[::1] answered
    cdef unsigned int[::1] answer_frame
    cdef long long[::1] active
    cdef unsigned int[::1] turns
    cdef unsigned int[::1] again_frame
    cdef unsigned int[::1] odd_frame
    cdef long long[::1] odd_ns
    cdef unsigned short[::1] odd_status
    cdef unsigned int[::1] setup_packets
    cdef unsigned long long[::1] setup_bytes
    cdef int[::1] agent
    cdef int[::1] software
    cdef unsigned int[::1] keep_timeout
    cdef unsigned int[::1] keep_max
    cdef long long[::1] body_left
    cdef Py_ssize_t add(self) except -1
    cdef int _grow(self) except -1
    cdef public dict tls


@cython.final
cdef class ExchangeTable:
    cdef public Py_ssize_t rows, capacity
    cdef public dict arrays
    cdef unsigned int[::1] connection
    cdef unsigned int[::1] depth
    cdef int[::1] method
    cdef int[::1] target
    cdef int[::1] host
    cdef unsigned short[::1] status
    cdef unsigned int[::1] flags
    cdef long long[::1] request_ns
    cdef long long[::1] response_ns
    cdef long long[::1] end_ns
    cdef unsigned int[::1] request_frame
    cdef unsigned int[::1] response_frame
    cdef unsigned int[::1] end_frame
    cdef int[::1] location
    cdef unsigned int[::1] octets
    cdef Py_ssize_t add(self) except -1
    cdef int _grow(self) except -1
    cdef int add_from(self, ExchangeTable other, Py_ssize_t row) except -1


cdef class Ledger:
    cdef bint control_only
    cdef Py_ssize_t held, unread
    cdef public Notes notes
    cdef public ConnectionTable connections
    cdef public ExchangeTable exchanges, turns
    cdef public Words words
    cdef Head request_head, response_head, other_response_head
    cdef Head response_heads_swapped(self)
