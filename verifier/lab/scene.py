"""What a scene is."""

from __future__ import annotations

from collections.abc import Callable

from verifier.lab.stage import Stage
from verifier.values import NamedTuple


class Scene(NamedTuple):
    """One cause, staged: a scripted server and a scripted client, of which one does what the cause is about."""

    cause: str
    play: Callable[[Stage], None]
    summary: str
    """Who does what, in one sentence."""
    besides: tuple[str, ...] = ()
    """Causes that the scene shows as well, and rightly so."""
