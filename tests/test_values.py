"""Named tuples of our own: what the values of the report rely on, and what typing.NamedTuple does alike."""

from __future__ import annotations

import subprocess
import sys
import typing

import pytest

from verifier.values import NamedTuple


class Point(NamedTuple):
    """A point with a name."""

    x: int
    y: int = 0
    name: str = "p"

    @property
    def far(self) -> bool:
        return self.x + self.y > 10


class Empty(NamedTuple):
    """No field at all."""


class Model(typing.NamedTuple):
    x: int
    y: int = 0
    name: str = "p"


@pytest.mark.parametrize("kind", [Point, Model])
def test_it_is_made_as_typings_own(kind: type[Point] | type[Model]) -> None:
    point = kind(1, name="q")
    assert point == (1, 0, "q") == kind(x=1, y=0, name="q")
    assert (point.x, point.y, point.name) == (1, 0, "q")
    assert point._fields == ("x", "y", "name")
    assert point._asdict() == {"x": 1, "y": 0, "name": "q"}
    assert repr(point) == f"{kind.__name__}(x=1, y=0, name='q')"
    changed = point._replace(y=2)
    assert (type(changed), changed, point) == (kind, (1, 2, "q"), (1, 0, "q"))
    assert {point: "seen"}[kind(1, 0, "q")] == "seen"
    x, *_ = point
    assert x == 1


@pytest.mark.parametrize("kind", [Point, Model])
def test_what_does_not_fit_is_refused(kind: typing.Any) -> None:
    for given, named in (((), {}), ((1, 2, "q", 4), {}), ((1,), {"z": 3}), ((1, 2, "q"), {"x": 1}), ((1,), {"x": 2})):
        with pytest.raises(TypeError):
            kind(*given, **named)


@pytest.mark.parametrize("kind", [Point, Model])
def test_it_can_not_be_changed(kind: typing.Any) -> None:
    point = kind(1)
    with pytest.raises(AttributeError):
        point.x = 2


def test_the_error_names_what_is_missing() -> None:
    with pytest.raises(TypeError, match="Point lacks 'x'"):
        typing.cast(typing.Any, Point)(y=1)
    with pytest.raises(TypeError, match="Point takes x, y, name"):
        typing.cast(typing.Any, Point)(1, z=1)


def test_methods_and_no_fields() -> None:
    assert Point(9, 9).far
    assert not Point(1).far
    assert Empty() == ()
    assert repr(Empty()) == "Empty()"


def test_it_costs_no_import_of_typing() -> None:
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import verifier.values\n"
         "print([name for name in ('typing', 'collections', 'inspect') if name in sys.modules])", "."],
        capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    assert said == "[]\n"
