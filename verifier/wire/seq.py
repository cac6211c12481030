# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""TCP sequence numbers: arithmetic modulo 2**32 (RFC 9293, section 3.4). The only place that subtracts or compares
them."""

from __future__ import annotations

import cython

# Typed, because a literal of more than 31 bits is a Python object in compiled code.
MASK = cython.declare(cython.longlong, 0xFFFFFFFF)
HALF = cython.declare(cython.longlong, 0x7FFFFFFF)
WHOLE = cython.declare(cython.longlong, 0x100000000)


def diff(a: cython.uint, b: cython.uint) -> cython.longlong:
    """How far `a` lies ahead of `b`: from -2**31 to 2**31 - 1, negative where it lies behind."""
    distance: cython.longlong = (cython.cast(cython.longlong, a) - b) & MASK
    return distance - WHOLE if distance > HALF else distance


def plus(a: cython.uint, n: cython.longlong) -> cython.uint:
    """The sequence number `n` bytes after `a`."""
    return cython.cast(cython.uint, (cython.cast(cython.longlong, a) + n) & MASK)
