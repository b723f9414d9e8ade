"""What the ledger knew at a moment: how far each part of the log was in it, and which ratings.

A worker writes each partition's calls in the order of their offsets and never rewrites one, so "offsets before N" names
the same calls for ever, whatever arrives later. Cuts grow with time: a later one holds all that an earlier one holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streams.ledger.sqlfiles import named_query


class Reader(Protocol):
    """Read access to the ledger (`streams.cli.reach.Ledger`): decimals and instants are strings. Blocks."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows of a query."""
        ...


@dataclass(frozen=True, slots=True)
class Cut:
    """`keys`: parts of the log, incarnation * 2^32 + partition; `nexts`: of each the first offset that was not there;
    `ratings`: ids of the ratings that counted, in their order."""

    keys: tuple[int, ...] = ()
    nexts: tuple[int, ...] = ()
    ratings: tuple[str, ...] = ()

    def holds(self, other: Cut) -> bool:
        """Whether this cut knows everything that `other` knows."""
        mine = dict(zip(self.keys, self.nexts, strict=True))
        return set(other.ratings) <= set(self.ratings) and all(
            mine.get(key, 0) >= next_ for key, next_ in zip(other.keys, other.nexts, strict=True)
        )

    @property
    def parameters(self) -> dict[str, list[Any]]:
        """For the named query `closing_usage`."""
        return {"keys": list(self.keys), "nexts": list(self.nexts), "ratings": list(self.ratings)}


def read_cut(reader: Reader) -> Cut:
    """What the ledger holds now."""
    [[ratings, keys, nexts]] = reader.rows(named_query("closing_cut"))
    return Cut(tuple(map(int, keys)), tuple(map(int, nexts)), tuple(map(str, ratings)))


def side_by_side(cuts: Sequence[Cut]) -> dict[str, list[Any]]:
    """Several cuts, oldest first, for `closing_late` and `closing_rerated`."""
    keys = sorted({key for cut in cuts for key in cut.keys})
    known = [dict(zip(cut.keys, cut.nexts, strict=True)) for cut in cuts]
    return {
        "keys": keys,
        "nexts": [[one.get(key, 0) for one in known] for key in keys],
        "ratings": [list(cut.ratings) for cut in cuts],
    }
