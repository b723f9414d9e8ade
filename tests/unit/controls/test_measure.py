"""The measurement of the client runs and covers its cases."""

from __future__ import annotations

from streams.controls.measure import measured


def test_every_case_costs_something() -> None:
    found = measured(controls=3, seconds=0.0001)
    assert found["controls"] == 3
    assert set(found["nanoseconds"]) == {"an_empty_function", "no_controls", "not_named", "blocked", "throttled"}
    assert all(figure > 0 for figure in found["nanoseconds"].values())
