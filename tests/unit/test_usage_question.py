"""The query string of `/v1/usage`: every fault named, nothing that is not understood let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.usage.agent import UsageQuestion
from streams.usage.http import usage_question

NOW = 1_772_409_600.5


def ask(**query: str) -> UsageQuestion:
    return usage_question({name.rstrip("_"): text for name, text in query.items()}, NOW)


def test_without_anything_the_last_sixty_minutes_by_agent_and_tier() -> None:
    assert ask() == UsageQuestion("1m", 1_772_406_000, 1_772_409_600, None, None, frozenset({"agent_id", "tier"}))


def test_times_as_seconds_or_with_a_zone() -> None:
    question = ask(window="1s", from_="2026-03-02T00:00:00Z", to="2026-03-02T01:01:00+01:00", agent_id="a", tier="mid")
    assert question == UsageQuestion("1s", 1_772_409_600, 1_772_409_660, "a", "mid")
    assert ask(from_="10", to="20.9").end == 20


@pytest.mark.parametrize(
    ("by", "groups"), [("none", set()), ("tier", {"tier"}), ("tier, agent_id", {"tier", "agent_id"})]
)
def test_groups(by: str, groups: set[str]) -> None:
    assert ask(by=by).by == groups


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"window": "2m"}, "window must be one of 1s, 1m, 1h"),
        ({"from": "yesterday"}, "from must be RFC 3339"),
        ({"to": "2026-03-02T00:00:00"}, "to needs a zone"),
        ({"from": "20", "to": "10"}, "to must be later than from"),
        ({"from": "10", "to": "10"}, "to must be later than from"),
        ({"window": "1s", "from": "0", "to": "100002"}, "at most 100000 windows"),
        ({"by": "team"}, "by must be"),
        ({"by": ""}, "by must be"),
        ({"agent": "a"}, "there is no parameter 'agent'"),
        ({"from": "nan"}, "from must be"),
        ({"to": "inf"}, "to must be"),
        ({"from": "-inf"}, "from must be"),
        ({"from": "1e18", "to": "1000000000000001000"}, "must be"),
        ({"from": "-100", "to": "0"}, "from must be"),
        ({"tier": "gold"}, "tier must be"),
    ],
)
def test_what_is_refused(query: dict[str, str], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        usage_question(query, NOW)
    assert part in str(caught.value)


def test_every_fault_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        ask(window="x", to="y", by="z", q="1")
    assert [part in str(caught.value) for part in ("window", "to must be", "by must be", "'q'")] == [True] * 4


@given(st.dictionaries(st.sampled_from(["window", "from", "to", "by", "agent_id", "tier", "x"]), st.text(max_size=12)))
def test_any_text_is_a_question_or_a_usage_error(query: dict[str, str]) -> None:
    try:
        question = usage_question(dict(query), NOW)
    except UsageError:
        return
    assert question.first < question.end or query.keys() & {"from", "to"}
    assert 0 <= question.first <= question.end
