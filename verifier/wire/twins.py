# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Connections whose handshakes have the same two initial sequence numbers as that of another one.

Two random numbers of 32 bits are met twice by chance in none of the captures there are: such connections are one, seen
on both sides of an address translation or in two captures of the same traffic; or somebody made the numbers up. All
handshakes are compared, as two clocks may be any time apart. That is done once, at the end, with a hash table of rows
that has gone when the judge begins; the hash is keyed, so that a capture cannot be made to collide.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import zeros

if cython.compiled:
    from cython.cimports.verifier.wire.flows import mixed
    from cython.cimports.verifier.wire.rows import connection_row
    from cython.cimports.verifier.wire.tables import ConnectionTable
else:
    from verifier.wire.flows import mixed
    from verifier.wire.rows import connection_row
    from verifier.wire.tables import ConnectionTable

Places = memoryview
LEAST_RANDOM = cython.declare(cython.ulonglong, 1 << 16)
"""Initial sequence numbers are random (RFC 9293, section 3.4.1): one in 65,536 is smaller. Those that are made up, or
counted from the start of a machine, are often small."""
LOW_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFF)
MOST_ALIKE = 16
"""Connections with the same two numbers of which more are not written down: no traffic passes so many translations."""


def alike(table: ConnectionTable, seed: cython.ulonglong) -> dict[int, int]:
    """Row of a connection to that of the first one whose handshake has the same two numbers."""
    rows: cython.Py_ssize_t = table.rows
    size: cython.Py_ssize_t = 64
    while size * 3 < rows * 4:
        size *= 2
    found: dict[int, int] = {}
    counts: dict[int, int] = {}
    region = zeros("I", size)
    places: Places = memoryview(region)
    mask: cython.Py_ssize_t = size - 1
    row: cython.Py_ssize_t
    other: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    numbers: cython.ulonglong
    for row in range(rows):
        numbers = connection_row(table, row).numbers
        if numbers >> 32 < LEAST_RANDOM or numbers & LOW_BITS < LEAST_RANDOM:
            continue
        slot = mixed(numbers ^ seed) & cython.cast(cython.ulonglong, mask)
        while places[slot]:
            other = cython.cast(cython.Py_ssize_t, places[slot]) - 1
            if connection_row(table, other).numbers == numbers:
                counts[other] = counts.get(other, 1) + 1
                if counts[other] <= MOST_ALIKE:
                    found[row] = other
                break
            slot = (slot + 1) & mask
        else:
            places[slot] = row + 1
    return found
