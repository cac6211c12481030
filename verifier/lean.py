"""A short start: what is imported for the engine, and what it can do without."""

from __future__ import annotations

import sys


def import_without_collections() -> None:
    """Imports what asks for `collections.abc` to enter its types there: `array`, and the memoryviews that Cython makes.

    What they want is `_collections_abc`, which Python has imported already. `collections` around it is another 1.5 ms,
    where all of a small capture takes 22, and nothing else needs it: for so long an empty module stands in for it.
    """
    if "collections" in sys.modules:
        return
    import _collections_abc

    stand_in = type(sys)("collections")
    stand_in.__dict__["abc"] = _collections_abc
    sys.modules["collections"], sys.modules["collections.abc"] = stand_in, _collections_abc
    try:
        import array  # noqa: F401

        import verifier.wire._shared  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        pass  # Nothing is compiled.
    finally:
        del sys.modules["collections"], sys.modules["collections.abc"]
