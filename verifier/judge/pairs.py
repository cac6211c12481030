"""The pairs of a report, made from the tally's columns where they are looked at: a capture may have a million of them,
and a report shows some."""

from __future__ import annotations

from _collections_abc import Sequence  # which Python has imported; `collections` around it is another 1.5 ms

from verifier.judge.model import Pair
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import overload

    from verifier.judge.details import Details


class Counted(NamedTuple):
    """What is known of all pairs. `fields`: columns of the tally, `bounds`: the lower bound of each, `causes`: by pair,
    how many connections each cause opened. `counted`: whether all requests of each are known."""

    fields: Mapping[str, memoryview]
    bounds: Sequence[int]
    causes: Mapping[int, dict[str, int]]
    counted: Sequence[bool]


class Pairs(Sequence[Pair]):
    def __init__(self, counted: Counted, details: Details) -> None:
        self.counted = counted
        self.details = details

    def __len__(self) -> int:
        return len(self.counted.bounds)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, place: int) -> Pair: ...
        @overload
        def __getitem__(self, place: slice) -> Sequence[Pair]: ...

    def __getitem__(self, place: int | slice) -> Pair | Sequence[Pair]:
        if isinstance(place, slice):
            return [self._pair(number) for number in range(len(self))[place]]
        return self._pair(range(len(self))[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Pair.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def busiest(self, most: int) -> Sequence[Pair]:
        """Those with the most extra handshakes, then the most connections; the first ones of equal ones."""
        extra, connections = self.counted.fields["extra"], self.counted.fields["connections"]
        order = sorted(range(len(self)), key=lambda number: (-extra[number], -connections[number]))
        return [self._pair(number) for number in order[:most]]

    def _pair(self, number: int) -> Pair:
        field = self.counted.fields
        row = field["first_row"][number]
        client = self.details.columns["client"][row]
        return Pair(
            client=self.details.endpoint(row, client).ip,
            server=self.details.endpoint(row, 1 - client),
            connections=field["connections"][number],
            handshakes=field["handshakes"][number],
            failed_attempts=field["failed"][number],
            requests=field["requests"][number],
            reused_requests=field["reused"][number],
            unknown_requests=field["unknown"][number],
            peak_concurrency=field["peak"][number],
            lower_bound=self.counted.bounds[number],
            extra_handshakes=field["extra"][number],
            cost_ns=field["cost_ns"][number],
            causes=self.counted.causes.get(number, {}),
            counted=self.counted.counted[number],
        )


def busiest(pairs: Sequence[Pair], most: int) -> Sequence[Pair]:
    """Those with the most extra handshakes, then the most connections; the first ones of equal ones."""
    if isinstance(pairs, Pairs):
        return pairs.busiest(most)
    return sorted(pairs, key=lambda pair: (-pair.extra_handshakes, -pair.connections))[:most]
