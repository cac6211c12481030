from verifier.wire.packet cimport Packet
from verifier.wire.speech cimport Speech
from verifier.wire.tables cimport Ledger

cdef class Flow:
    cdef bytes header
    cdef long long left
    cdef bint lost

cdef class H2(Speech):
    cdef Flow flow0, flow1
    cdef long long newest
    cdef int begin(self, Ledger ledger, Py_ssize_t row) except -1
    cdef int preface(self, int side, int left) except -1
    cdef int data(self, Packet packet, int side) except -1
    cdef int gap(self, Packet packet, int side, long long size) except -1
    cdef int end(self, Packet packet, int side) except -1
    cdef int close(self) except -1
    cdef int _frame(self, Packet packet, int side, Flow flow) except -1
