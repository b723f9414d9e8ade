"""Rejects that the ledger has from an earlier reading of the log."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.meter.reread import KnownRejects
from streams.meter.rows import DUPLICATE, REJECT, Refused

PLACES = st.tuples(st.integers(0, 1 << 45), st.integers(0, 49_999), st.integers(0, 1 << 42))


def known(places: list[tuple[int, int, int]]) -> KnownRejects:
    columns = np.array(places, dtype=np.int64).reshape(-1, 3).T
    return KnownRejects(columns[0], columns[1], columns[2])


@given(st.lists(PLACES, max_size=50), st.lists(PLACES, max_size=20))
def test_it_knows_exactly_those(held: list[tuple[int, int, int]], others: list[tuple[int, int, int]]) -> None:
    rejects = known(held)
    assert len(rejects) == len(held)
    for place in [*held, *others]:
        assert rejects.has(*place) == (place in held)


def test_a_known_reject_becomes_a_duplicate_without_its_payload() -> None:
    row = Refused(REJECT, 7, 2, 7, 1000, "bad_time", "time: ...", "{}")
    assert known([(7, 2, 1001), (7, 1, 1000), (8, 2, 1000)]).known(row) is row
    found = known([(7, 2, 999), (7, 2, 1000)]).known(row)
    assert (found.outcome, found.offset, found.item, found.through, found.arrived_ms) == (DUPLICATE, 7, 2, 7, 1000)
    assert (found.reason, found.payload) == ("", "")
