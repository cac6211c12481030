cimport cython

from verifier.wire.head cimport Head
from verifier.wire.notes cimport Notes
from verifier.wire.octets cimport Text

@cython.final
cdef class Words:
    cdef public Py_ssize_t count
    cdef Py_ssize_t filled
    cdef object buffer_array, starts_array
    cdef unsigned char[:] buffer
    cdef unsigned int[:] starts
    cdef int[:] recent
    cdef unsigned int[:] hashes
    cdef Text single
    cdef int add(self, Text text, Py_ssize_t at, Py_ssize_t end) except -2
    cdef bint holds(self, Py_ssize_t number, Text text, Py_ssize_t at, Py_ssize_t end) except -1
    cpdef int number(self, bytes word) except -2
    cdef int _room(self, Py_ssize_t size) except -1


@cython.final
cdef class ConnectionTable:
    cdef public Py_ssize_t rows, capacity
    cdef public dict arrays
    cdef unsigned long long[:] hi0
    cdef unsigned long long[:] lo0
    cdef unsigned long long[:] hi1
    cdef unsigned long long[:] lo1
    cdef unsigned short[:] port0
    cdef unsigned short[:] port1
    cdef unsigned char[:] version
    cdef long long[:] opened
    cdef long long[:] closed
    cdef long long[:] last
    cdef long long[:] handshake_ns
    cdef long long[:] tls_ns
    cdef unsigned int[:] first_frame
    cdef unsigned int[:] syn_frame
    cdef unsigned int[:] synack_frame
    cdef unsigned int[:] ack_frame
    cdef unsigned int[:] close_frame
    cdef unsigned int[:] request_frame
    cdef unsigned int[:] requests
    cdef unsigned int[:] responses
    cdef unsigned int[:] flags
    cdef unsigned long long[:] history_early
    cdef unsigned long long[:] history_late
    cdef unsigned int[:] packets0
    cdef unsigned int[:] packets1
    cdef unsigned int[:] largest0
    cdef unsigned int[:] largest1
    cdef unsigned long long[:] bytes0
    cdef unsigned long long[:] bytes1
    cdef unsigned long long[:] missing
    cdef unsigned char[:] client
    cdef unsigned char[:] state
    cdef unsigned char[:] closer
    cdef unsigned char[:] closed_with
    cdef unsigned char[:] protocol
    cdef unsigned char[:] answered_with
    cdef long long[:] answered
    cdef unsigned int[:] answer_frame
    cdef long long[:] active
    cdef unsigned int[:] turns
    cdef unsigned int[:] again_frame
    cdef unsigned int[:] odd_frame
    cdef unsigned short[:] odd_status
    cdef unsigned int[:] setup_packets
    cdef unsigned long long[:] setup_bytes
    cdef int[:] agent
    cdef int[:] software
    cdef unsigned int[:] keep_timeout
    cdef unsigned int[:] keep_max
    cdef long long[:] body_left
    cdef Py_ssize_t add(self) except -1
    cdef int _grow(self) except -1
    cdef public dict tls


@cython.final
cdef class ExchangeTable:
    cdef public Py_ssize_t rows, capacity
    cdef public dict arrays
    cdef unsigned int[:] connection
    cdef unsigned int[:] depth
    cdef int[:] method
    cdef int[:] target
    cdef int[:] host
    cdef unsigned short[:] status
    cdef unsigned int[:] flags
    cdef long long[:] request_ns
    cdef long long[:] response_ns
    cdef long long[:] end_ns
    cdef unsigned int[:] request_frame
    cdef unsigned int[:] response_frame
    cdef unsigned int[:] end_frame
    cdef int[:] location
    cdef Py_ssize_t add(self) except -1
    cdef int _grow(self) except -1
    cdef int add_from(self, ExchangeTable other, Py_ssize_t row) except -1


cdef class Ledger:
    cdef bint control_only
    cdef public Notes notes
    cdef public ConnectionTable connections
    cdef public ExchangeTable exchanges, turns
    cdef public Words words
    cdef Head request_head, response_head
