"""A number of things is said as people say it."""

from __future__ import annotations

import pytest

from streams.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls"), (1200, "1,200 calls"), (1001, "1,001 calls")]
)
def test_one_is_singular(number: int, said: str) -> None:
    assert counted(number, "call") == said


def test_a_plural_of_its_own() -> None:
    assert [counted(number, "query", "queries") for number in (1, 2)] == ["1 query", "2 queries"]
