"""What the user asks of a live capture: values only, made where the command line is read."""

from __future__ import annotations

from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.sources.filter import Keep


class CaptureWish(NamedTuple):
    """The capture as the user wants it, before it is known which interface leads to the server."""

    interface: str | None
    """None: the one that leads to the server."""
    path: str | None
    """Where to save; None: a file of our own choice."""
    packets: Keep
    buffer_bytes: int | None
    """Size of the kernel's buffer; None: the usual."""
