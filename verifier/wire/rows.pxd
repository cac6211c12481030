# What rows.py says, in C. The columns stand in the order in which tables.py lays them out; the bounds check is that of
# `cells`.

from verifier.wire.tables cimport ConnectionTable, ExchangeTable

cdef struct ConnectionRow:
    unsigned long long lo0, lo1
    long long opened, closed, answered, active, handshake_ns
    unsigned long long bytes0, bytes1, history_early, numbers
    unsigned int packets0, packets1, largest0, largest1, first_frame, syn_frame, synack_frame, ack_frame, close_frame
    unsigned int answer_frame, request_frame, requests, responses, setup_packets, flags
    unsigned short port0, port1
    unsigned char version, client, state, closer, closed_with, answered_with, protocol, farther

cdef struct ExchangeRow:
    long long request_ns, response_ns, end_ns
    unsigned int connection, depth
    int method, target, host
    unsigned int flags, request_frame, response_frame, end_frame
    unsigned short status

cdef inline ConnectionRow* connection_row(ConnectionTable table, Py_ssize_t row) except NULL:
    return <ConnectionRow*> &table.cells[row * table.width]

cdef inline ExchangeRow* exchange_row(ExchangeTable table, Py_ssize_t row) except NULL:
    return <ExchangeRow*> &table.cells[row * table.width]
