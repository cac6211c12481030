"""What the user asks of the judge: values only, made where the command line is read."""

from __future__ import annotations

from verifier.values import NamedTuple


class Expectations(NamedTuple):
    """What must hold for `proved`. A field that is None expects nothing."""

    max_extra: int | None = None
    """The most extra handshakes that are accepted, over all pairs. Where nothing at all is expected, this is 0."""
    max_handshakes: int | None = None
    min_reuse: float | None = None
    """The least share of requests that must re-use a connection, 0 to 1."""


class Selection(NamedTuple):
    """Which connections of a capture count. An empty field selects all; values in one field are alternatives."""

    ports: tuple[int, ...] = ()
    """Server ports."""
    hosts: tuple[str, ...] = ()
    """Servers, by address in its shortest form, or by name in lower case."""
    clients: tuple[str, ...] = ()
    """Client addresses in their shortest form."""
