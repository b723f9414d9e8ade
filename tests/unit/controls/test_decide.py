"""What policies ask for: they strengthen, they end, and a person's word goes before theirs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policies import ControlPolicy
from streams.controls.control import EFFECTS, Change, Standing, control_id, effect
from streams.controls.decide import IncidentChange, decide, released_by, wanted
from tests.fakes import BASE_MS

BLOCK = ControlPolicy(name="stop", mode="enforce", action="block", minutes=60)
OBSERVE = ControlPolicy(name="look")
INCIDENT = IncidentChange("inc-1", "opened", "bot", "run-1", "43 calls", "", "", BASE_MS)


def test_a_policy_for_runs_takes_the_agent_where_there_is_no_run() -> None:
    assert (wanted(BLOCK, INCIDENT).scope, wanted(BLOCK, INCIDENT).subject) == ("run", "run-1")
    without = replace(INCIDENT, run_id="")
    assert (wanted(BLOCK, without).scope, wanted(BLOCK, without).subject) == ("agent", "bot")
    agents = ControlPolicy(name="a", scope="agent")
    assert wanted(agents, INCIDENT).id == "agent:bot"


def test_it_ends_by_itself() -> None:
    asked = wanted(BLOCK, INCIDENT)
    assert asked.expires_ms == BASE_MS + 3_600_000
    assert decide(asked, INCIDENT, [], BASE_MS + 3_599_999) == asked
    assert decide(asked, INCIDENT, [], BASE_MS + 3_600_000) is None


def test_one_change_of_an_incident_sets_once() -> None:
    asked = wanted(BLOCK, INCIDENT)
    past = Standing(1, BASE_MS + 5, asked)
    assert decide(asked, INCIDENT, [past], BASE_MS + 10) is None
    # It goes on after the control has ended: the next change may set it again.
    later = replace(INCIDENT, change="reopened", recorded_ms=BASE_MS + 7_200_000)
    assert decide(wanted(BLOCK, later), later, [past], BASE_MS + 7_200_001) is not None


def test_a_persons_word_goes_first() -> None:
    asked = wanted(BLOCK, INCIDENT)
    theirs = Change("run", "run-1", "warn", "warn", "mine", by="ada")
    assert decide(asked, INCIDENT, [Standing(1, BASE_MS - 5, theirs)], BASE_MS + 1) is None
    released = replace(asked, released=True, by="ada", policy="")
    history = [Standing(1, BASE_MS - 9, asked), Standing(2, BASE_MS - 5, released)]
    worse = replace(INCIDENT, change="escalated", recorded_ms=BASE_MS)
    assert decide(wanted(BLOCK, worse), worse, history, BASE_MS + 1) is None
    other = replace(worse, incident_id="inc-2")
    assert decide(wanted(BLOCK, other), other, history, BASE_MS + 1) is not None


@given(st.sampled_from(EFFECTS), st.sampled_from(EFFECTS))
def test_policies_only_strengthen(before: str, after: str) -> None:
    def policy(name: str) -> ControlPolicy:
        if name in {"observe", "warn"}:
            return ControlPolicy.model_validate({"name": name, "mode": name})
        rate = {"rate_per_minute": Decimal(6)} if name == "throttle" else {}
        return ControlPolicy.model_validate({"name": name, "mode": "enforce", "action": name, **rate})

    standing = Standing(1, BASE_MS - 5, wanted(policy(before), INCIDENT))
    worse = replace(INCIDENT, change="escalated")
    made = decide(wanted(policy(after), worse), worse, [standing], BASE_MS + 1)
    assert (made is not None) == (EFFECTS.index(after) > EFFECTS.index(before))


def test_a_person_who_resolves_ends_what_policies_set() -> None:
    standing = [
        Standing(1, BASE_MS, wanted(BLOCK, INCIDENT)),
        Standing(1, BASE_MS, Change("agent", "bot", "enforce", "block", "mine", by="ada", incident_id="inc-1")),
        Standing(1, BASE_MS, replace(wanted(OBSERVE, INCIDENT), incident_id="inc-2")),
    ]
    over = replace(INCIDENT, change="resolved", by="bo", reason="fixed")
    [ended] = released_by(over, standing, BASE_MS + 1)
    assert (ended.id, ended.released, ended.by, ended.policy, ended.reason) == ("run:run-1", True, "bo", "", "fixed")
    assert released_by(replace(over, by=""), standing, BASE_MS + 1) == []
    assert released_by(over, standing, BASE_MS + 10**9) == []


def test_a_change_says_who_and_why() -> None:
    for wrong in (
        {"reason": " "}, {"by": "", "policy": ""}, {"by": "a", "policy": "b"}, {"action": "throttle"}, {"subject": ""},
    ):  # fmt: skip
        fields = {"scope": "run", "subject": "x", "mode": "enforce", "action": "block", "reason": "r", "by": "a"}
        with pytest.raises(ValueError, match=r"reason|policy|rate"):
            Change(**(fields | wrong))  # type: ignore[arg-type]


@given(st.sampled_from(("run", "agent", "key")), st.text(min_size=1, max_size=600), st.text(min_size=1, max_size=600))
def test_ids_fit_and_differ(scope: str, one: str, other: str) -> None:
    assert len(control_id(scope, one)) <= 256
    assert (control_id(scope, one) == control_id(scope, other)) == (one == other)


def test_effects() -> None:
    assert [effect(*pair) for pair in (("observe", "block"), ("warn", "block"), ("enforce", "throttle"))] == [
        "observe", "warn", "throttle",
    ]  # fmt: skip
