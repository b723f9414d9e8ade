"""The bucket of an address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.http.rate import ADDRESSES, BURST_S, Rate


def test_a_burst_then_the_rate() -> None:
    rate = Rate(10)
    assert [rate.take("a", 0.0) for _ in range(20)] == [0.0] * 20
    wait = rate.take("a", 0.0)
    assert wait == 0.1
    assert rate.take("b", 0.0) == 0.0
    assert rate.take("a", wait + 1e-9) == 0.0
    assert rate.take("a", wait + 1e-9) > 0.0


def test_memory_is_bounded() -> None:
    rate = Rate(1)
    for number in range(ADDRESSES + 100):
        rate.take(str(number), 0.0)
    assert len(rate._buckets) == ADDRESSES


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_never_more_than_burst_and_rate(per_second: float, times: list[float]) -> None:
    rate = Rate(per_second)
    allowed = sum(rate.take("a", at) == 0.0 for at in sorted(times))
    span = max(times) - min(times)
    assert allowed <= max(1.0, per_second * BURST_S) + per_second * span + 1e-6
