"""Put calls into (time, id) order within a stated bound, so that the rest of the detector is a plain fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from streams.detect.call import Seen

C = TypeVar("C", bound=Seen)
Item = tuple[int, str, C, int | None]


class Orderer(Generic[C]):
    """Holds calls until the watermark (largest time seen minus `bound_ms`) passes them. Memory: the calls of one
    bound.
    """

    __slots__ = ("_held", "bound_ms", "highest", "late", "watermark")

    def __init__(self, bound_ms: int) -> None:
        self.bound_ms = bound_ms
        self.highest = -(2**62)
        self.watermark = -(2**62)
        self.late = 0
        self._held: list[Item[C]] = []

    def push(self, calls: Sequence[C], costs: Sequence[int | None]) -> list[Item[C]]:
        """Take a batch; give what the watermark has passed, in order. Calls older than what was given already come
        first, as late.
        """
        held = self._held
        highest, passed = self.highest, self.watermark
        for call, cost in zip(calls, costs, strict=True):
            at = call.time
            if at > highest:
                highest = at
            if at <= passed:
                self.late += 1
            held.append((at, call.id, call, cost))
        self.highest = highest
        return self.advance(highest - self.bound_ms)

    def advance(self, watermark: int) -> list[Item[C]]:
        """Give everything up to `watermark`, in (time, id) order."""
        held = self._held
        if watermark > self.watermark:
            self.watermark = watermark
        watermark = self.watermark
        held.sort(key=_order)
        cut = len(held)
        while cut and held[cut - 1][0] > watermark:
            cut -= 1
        given = held[:cut]
        del held[:cut]
        return given

    def __len__(self) -> int:
        return len(self._held)


def _order(item: Item[C]) -> tuple[int, str]:
    return item[0], item[1]
