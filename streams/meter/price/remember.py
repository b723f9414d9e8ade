"""A bounded memory of worked-out answers, keyed by names that routers send.

Two generations of at most `cap` keys: a miss in the younger asks the older before it works the answer out again, and
when the younger is full it becomes the older. Names in daily use therefore stay, a flood of invented ones passes
through, and looking up costs one dict access.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Key = tuple[str | None, ...]

CAP: Final = 8_192
"""Names kept a generation: two generations of 300-byte keys are 5 MB; an organisation uses some hundreds of names."""
LONGEST: Final = 512
"""Keys of more characters than this are worked out each time and never kept."""


class Generation(dict[Key, int]):
    """The younger generation: a dict whose misses ask the older one, then `work_out`."""

    __slots__ = ("_work_out", "older")

    def __init__(self, work_out: Callable[[Key], int], older: dict[Key, int]) -> None:
        """`work_out`: the answer for a key; pure."""
        self._work_out = work_out
        self.older = older

    def __missing__(self, key: Key) -> int:
        answer = self.older.get(key)
        if answer is None:
            answer = self._work_out(key)
            if sum(len(name) for name in key if name is not None) > LONGEST:
                return answer
        self[key] = answer
        return answer


class Memory:
    """`look_up()` gives the function that answers a key; call it once a batch, so that a full generation can
    retire."""

    def __init__(self, work_out: Callable[[Key], int], cap: int = CAP) -> None:
        """`cap`: keys a generation, at least 1."""
        self._work_out = work_out
        self._cap = max(1, cap)
        self._young = Generation(work_out, {})

    def look_up(self) -> Callable[[Key], int]:
        """The answer of a key, for one batch."""
        if len(self._young) >= self._cap:
            self._young = Generation(self._work_out, dict(self._young))
        return self._young.__getitem__

    def __len__(self) -> int:
        """Keys in memory now: at most twice `cap` and the distinct keys of two batches."""
        return len(self._young) + len(self._young.older)
