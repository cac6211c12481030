# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""The order of rows by their times, which is mostly the order that they have.

A head in several segments is complete behind others that began later, and files can be given in any order.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import zeros

Times = memoryview
Numbers = memoryview


class Order:
    """Rows by their places in time. Nothing is sorted, or kept, where they stand in order."""

    def __init__(self, times: Times, rows: int) -> None:
        self.times = times
        self.rows = rows
        self.sorted = in_order(times, rows)
        """Whether they have that order already."""
        if not self.sorted:
            self.places = ordered(times, rows)

    def row(self, place: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row at a place of the order."""
        return place if self.sorted else self.places[place]

    def lower(self, moment: cython.longlong) -> cython.Py_ssize_t:
        """The first place whose time is not before the moment."""
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self.rows
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) // 2
            if self.times[self.row(middle)] < moment:
                low = middle + 1
            else:
                high = middle
        return low


def in_order(times: Times, rows: cython.Py_ssize_t) -> cython.bint:
    """Whether times never fall from one row to the next."""
    row: cython.Py_ssize_t
    time: cython.longlong
    latest: cython.longlong = times[0] if rows else 0
    for row in range(rows):
        time = times[row]
        if time < latest:
            return False
        latest = time
    return True


def ordered(times: Times, rows: cython.Py_ssize_t) -> Numbers:
    """The rows in the order of their times, those of equal times in their own."""
    order = memoryview(zeros("i", rows))
    row: cython.Py_ssize_t
    for row in range(rows):
        order[row] = row
    reorder(times, order)
    return order


def reorder(times: Times, order: Numbers) -> cython.int:
    """Brings rows into the order of their times; those of equal times stay as they stand to each other.

    Merges neighbours of doubling width (Knuth, 5.2.4). Of two that are in order already, nothing is touched but where
    they meet: what is nearly sorted costs little more than a look.
    """
    rows: cython.Py_ssize_t = len(order)
    aside = memoryview(zeros("i", rows))
    width: cython.Py_ssize_t = 1
    middle: cython.Py_ssize_t
    while width < rows:
        middle = width
        while middle < rows:
            if times[order[middle]] < times[order[middle - 1]]:
                merge(times, order, aside, middle, width)
            middle += width * 2
        width *= 2
    return 0


def merge(
    times: Times, order: Numbers, aside: Numbers, middle: cython.Py_ssize_t, width: cython.Py_ssize_t
) -> cython.int:
    """Makes one of two neighbours that are in order each, of this width: they meet at `middle`."""
    high: cython.Py_ssize_t = min(len(order), middle + width)
    # What stands before the least of the second stays where it is.
    least: cython.longlong = times[order[middle]]
    begin: cython.Py_ssize_t = middle - width
    end: cython.Py_ssize_t = middle
    half: cython.Py_ssize_t
    while begin < end:
        half = (begin + end) // 2
        if times[order[half]] <= least:
            begin = half + 1
        else:
            end = half
    size: cython.Py_ssize_t = middle - begin
    place: cython.Py_ssize_t
    for place in range(size):
        aside[place] = order[begin + place]
    left: cython.Py_ssize_t = 0
    place = begin
    while left < size:
        if middle < high and times[order[middle]] < times[aside[left]]:
            order[place] = order[middle]
            middle += 1
        else:
            order[place] = aside[left]
            left += 1
        place += 1
    return 0
