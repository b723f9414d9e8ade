"""What real routers also send: calls a second time, and records that are no calls.

Contract: every clean call goes through unchanged and in place; a re-sent one is the same bytes later; a malformed one
has an id of its own. The same stream and seed give the same flaws.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from streams.demo.day import HOUR_MS, Sent
from streams.demo.habits import Row

AGAIN = 0.003
"""Share of calls that a router sends twice because the broker's answer was lost."""
MALFORMED = 0.0008
RESTARTS_MS = 3 * HOUR_MS
"""How often (event time) a router restarts and re-sends what it had not noted as sent."""
REMEMBERED = 40


@dataclass(frozen=True, slots=True)
class Item:
    """One record to publish at `at_ms` (event time)."""

    at_ms: int
    router: str
    row: Row
    what: Literal["call", "again", "malformed"]


_FAULTS: tuple[Callable[[Row], Row], ...] = (
    lambda row: row | {"input_tokens": -1},
    lambda row: row | {"output_tokens": str(row["output_tokens"])},
    # A provider's raw counts, where cached tokens stand beside the input and not within it.
    lambda row: row | {"cache_read_input_tokens": row["input_tokens"] + 2048},
    lambda row: row | {"status": "finished"},
    lambda row: row | {"time": "11/22/2025 14:05"},
    lambda row: {name: value for name, value in row.items() if name != "output_tokens"},
)


def with_flaws(sent: Iterable[Sent], seed: int) -> Iterator[Item]:
    """The stream, with flaws among it; times never go back."""
    rng = random.Random(f"{seed}/flaws")
    late: list[tuple[int, int, Sent]] = []
    recent: dict[str, deque[Sent]] = {}
    restarts: dict[str, int] = {}
    bad = turn = 0
    for one in sent:
        while late and late[0][0] <= one.at_ms:
            at_ms, _, again = heapq.heappop(late)
            yield Item(at_ms, again.router, again.row, "again")
        yield Item(one.at_ms, one.router, one.row, "call")
        recent.setdefault(one.router, deque(maxlen=REMEMBERED)).append(one)
        due = restarts.setdefault(one.router, one.at_ms + int(RESTARTS_MS * rng.uniform(0.3, 1.5)))
        if one.at_ms >= due:
            restarts[one.router] = due + int(RESTARTS_MS * rng.uniform(0.7, 1.3))
            for again in recent[one.router]:
                yield Item(one.at_ms, again.router, again.row, "again")
        chance = rng.random()
        if chance < AGAIN:
            turn += 1
            heapq.heappush(late, (one.at_ms + rng.randrange(2_000, 90_000), turn, one))
        elif chance < AGAIN + MALFORMED:
            bad += 1
            broken = rng.choice(_FAULTS)(one.row | {"id": f"{one.row['id']}-m{bad}"})
            yield Item(one.at_ms, one.router, broken, "malformed")
    while late:
        at_ms, _, again = heapq.heappop(late)
        yield Item(at_ms, again.router, again.row, "again")
