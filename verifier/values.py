"""Named tuples that cost next to nothing to define.

A type checker sees `typing.NamedTuple`. At run time the same thing is built from a plain tuple, without generating
code, and without `typing`, whose import takes 10 ms where `verify analyze` of 50 packets takes 22 whole and
`python -c pass` 10. (Wall-clock time of the process, the least of 30, Python 3.11.)
"""

from __future__ import annotations

__all__ = ["NamedTuple"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    try:
        # What collections.namedtuple takes a field with.
        from _collections import _tuplegetter
    except ImportError:
        from operator import itemgetter

        def _tuplegetter(place, doc):
            return property(itemgetter(place), doc=doc)

    _LACKING = object()
    """In place of the default of a field that has none."""

    class _Fields(type):
        def __new__(cls, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = tuple([body.get(field, _LACKING) for field in fields])
            getters = {field: _tuplegetter(place, None) for place, field in enumerate(fields)}
            own = {"__slots__": (), "_fields": fields, "_defaults": defaults, "_required": defaults.count(_LACKING)}
            return type.__new__(cls, name, bases, {**body, **own, **getters})

    class NamedTuple(tuple, metaclass=_Fields):
        """Fields are the annotated names of the class, in order; values given to them there are defaults."""

        def __new__(cls, *values: object, **named: object) -> NamedTuple:
            given = len(values)
            if given < len(cls._fields):
                values += tuple(map(named.pop, cls._fields[given:], cls._defaults[given:]))
                if given < cls._required and _LACKING in values:
                    raise TypeError(f"{cls.__name__} lacks {cls._fields[values.index(_LACKING)]!r}")
            if named or len(values) > len(cls._fields):
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            return tuple.__new__(cls, values)

        def _replace(self, **changes: object) -> NamedTuple:
            values = tuple(map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"{type(self).__name__} has no {', '.join(changes)}")
            return tuple.__new__(type(self), values)

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"
