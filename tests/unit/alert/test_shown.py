"""`incidents show`: the evidence is of its moment, the running totals are of now, or of all once it is over."""

from __future__ import annotations

from typing import Any

import pytest

from streams.cli.commands.incidents import _listed, _shown

ONE: dict[str, Any] = {
    "incident_id": "inc-1", "kind": "loop", "severity": "warning", "state": "open", "agent_id": "bot",
    "run_id": "run-1", "team_id": "search", "tier": "", "runs": ["run-1"], "acknowledged_by": "",
    "evidence": "the same request, 4 repeats in 1 s; at opening: 1 call, $0.12", "kinds": {},
    "first_abnormal_at": "2026-03-02T00:00:00.000Z", "opened_at": "2026-03-02T00:00:01.000Z", "first_call_id": "c-1",
    "calls_before_open": 1, "cost_before_open_usd": "0.12", "calls": 1200, "cost_usd": "3.1", "resolved_at": None,
    "silenced_until": None,
}  # fmt: skip


def shown(**fields: Any) -> list[str]:
    """The lines of an incident."""
    found = {"incident": ONE | fields, "history": [], "notices": [], "controls": [], "next": []}
    return _shown(found, None).splitlines()


def test_figures_of_the_opening_and_of_now_stand_apart() -> None:
    lines = shown()
    assert "  what    the same request, 4 repeats in 1 s; at opening: 1 call, $0.12" in lines
    assert "  noticed 2026-03-02 00:00:01, after 1 call and $0.12" in lines
    assert "  so far  1,200 calls, $3.10" in lines


def test_what_is_over_has_totals_of_all() -> None:
    lines = shown(state="resolved", resolved_at="2026-03-02T01:00:00.000Z")
    assert "  in all  1,200 calls, $3.10; over since 2026-03-02 01:00:00" in lines
    assert not any("so far" in line for line in lines)


@pytest.mark.parametrize(("everything", "title"), [(False, "so far"), (True, "cost")])
def test_a_list_with_resolved_ones_does_not_say_so_far(everything: bool, title: str) -> None:
    assert title in _listed([ONE], everything).splitlines()[0]
