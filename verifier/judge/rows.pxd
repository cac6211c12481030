cimport cython

from verifier.wire.tables cimport ConnectionTable, ExchangeTable

# The rows of the two tables: what stands in the row itself, in the order in which `_lay_out` puts it there.
cdef struct Exchange:
    long long request_ns, response_ns, end_ns
    unsigned int connection, depth
    int method, target, host
    unsigned int flags, request_frame, response_frame, end_frame
    unsigned short status

cdef struct Connection:
    unsigned long long lo0, lo1
    long long opened, closed, answered, active, handshake_ns
    unsigned long long bytes0, bytes1, history_early
    unsigned int packets0, packets1, largest0, largest1, first_frame, syn_frame, synack_frame, ack_frame, close_frame
    unsigned int answer_frame, request_frame, requests, responses, setup_packets, flags
    unsigned short port0, port1
    unsigned char version, client, state, closer, closed_with, answered_with, protocol

# Apart from the checks below, so that these are small enough to be compiled into the loops.
cdef inline int no_row(Py_ssize_t row) except -1:
    raise IndexError(row)

cdef inline Exchange* exchange(ExchangeTable table, Py_ssize_t row) except NULL:
    if row < 0 or row >= table.rows:
        no_row(row)
    with cython.boundscheck(False), cython.wraparound(False), cython.initializedcheck(False):  # checked above, once for all columns
        return <Exchange*> &table.cells[row * <Py_ssize_t> sizeof(Exchange)]

cdef inline Connection* connection(ConnectionTable table, Py_ssize_t row) except NULL:
    if row < 0 or row >= table.rows:
        no_row(row)
    with cython.boundscheck(False), cython.wraparound(False), cython.initializedcheck(False):
        return <Connection*> &table.cells[row * <Py_ssize_t> sizeof(Connection)]
