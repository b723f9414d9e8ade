"""What a page tells people to do (`streams.alert.words`)."""

from __future__ import annotations

import pytest

from streams.alert.words import ADVICE, UNSTOPPABLE, control_step


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        ("loop", ["spendstream controls set 'run:a b' --block --minutes 60 --reason inc-1"]),
        ("retry_storm", ["spendstream controls set 'run:a b' --throttle 6 --minutes 60 --reason inc-1"]),
        ("silent_agent", []),
    ],
)
def test_the_command_is_what_the_advice_says(kind: str, steps: list[str]) -> None:
    assert control_step(kind, "run:a b", "inc-1") == steps


def test_no_control_is_advised_where_none_helps() -> None:
    for kind, advice in ADVICE.items():
        words = advice.lower()
        assert not (kind in UNSTOPPABLE and ("block" in words or "throttle" in words)), kind
