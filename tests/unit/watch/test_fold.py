"""Changes: numbered the same at every fold, known ones told apart, operators' actions once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas import Incident as IncidentContract
from schemas import Signal as SignalContract
from streams.detect import DetectConfig, Detector
from streams.watch import checkpoint
from streams.watch.checkpoint import Saved
from streams.watch.emit import change_record, signal_record
from streams.watch.fold import Change, Place, Watch
from streams.watch.order import Order
from streams.watch.record import Action
from tests.unit.detect.calls import HOUR, T0, loop
from tests.unit.watch.calls import DAY_LATER, canonical, states, step, story

STORY = story()
HERE = Place("acme", "search", "frontier")


def numbered(watch: Watch) -> list[Change]:
    for one in watch.strangers():
        watch.meet(one.id, HERE, 0)
    return watch.changes()


def watched(watch: Watch, first: int = 0, last: int = len(STORY), batch: int = 50) -> list[Change]:
    changes: list[Change] = []
    for start in range(first, last, batch):
        watch.fold(STORY[start : min(last, start + batch)])
        changes += numbered(watch)
    return changes


def told(changes: list[Change]) -> list[tuple[str, int, str, int]]:
    return [(one.incident.id, one.number, one.change, one.at) for one in changes]


def test_changes_count_from_one_and_are_the_same_at_every_fold() -> None:
    one, other = watched(Watch(), batch=3), watched(Watch(), batch=400)
    assert told(one) == told(other)
    by_incident: dict[str, list[int]] = {}
    for change in one:
        by_incident.setdefault(change.incident.id, []).append(change.number)
    assert len(by_incident) == 2
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_incident.values())
    assert [change.change for change in one if change.number == 1] == ["opened", "opened"]
    assert {change.place for change in one} == {HERE}


def test_what_the_ledger_has_beyond_the_checkpoint_is_not_written_again() -> None:
    first = watched(Watch())
    again = Watch()
    again.known = {}
    for change in first:
        again.known.setdefault(change.incident.id, {})[change.number] = change.change
    repeated = watched(again)
    assert told(repeated) == told(first)
    assert all(change.known for change in repeated)


def test_a_number_that_was_told_for_another_change_is_not_taken() -> None:
    watch = Watch()
    opened = watched(Watch())[0]
    watch.known = {opened.incident.id: {1: "opened", 2: "acknowledged"}}
    mine = [change for change in watched(watch) if change.incident.id == opened.incident.id]
    assert (mine[0].number, mine[0].known) == (1, True)
    assert mine[1].number == 3
    assert not mine[1].known


def test_running_totals_are_rows_of_updated_with_the_number_before() -> None:
    watch = Watch()
    middle = next(at for at, one in enumerate(STORY) if one.agent_id == "x") + 40
    changes = watched(watch, last=middle)
    watch.fold(STORY[middle : middle + 10])
    numbered(watch)
    [row] = watch.moved()
    assert (row.change, row.number) == ("updated", changes[-1].number)
    assert row.incident.calls > changes[-1].incident.calls
    assert watch.moved() == [], "nothing moved since"


def act(name: str, incident_id: str, **fields: object) -> Action:
    return Action(**{"id": name, "incident_id": incident_id, "by": "ada", "reason": "mine", "at_ms": 5, **fields})  # type: ignore[arg-type]


def test_an_operators_actions_count_once() -> None:
    watch = Watch()
    middle = next(at for at, one in enumerate(STORY) if one.agent_id == "x") + 40
    [opened, *_] = watched(watch, last=middle)
    id_ = opened.incident.id
    assert watch.act(act("1", id_, action="acknowledge"))
    assert not watch.act(act("1", id_, action="acknowledge"))
    assert not watch.act(act("2", "inc-unknown", action="acknowledge"))
    assert watch.act(act("3", id_, action="silence", until_ms=99))
    [acknowledged, silenced] = numbered(watch)
    assert (acknowledged.change, acknowledged.by, acknowledged.acknowledged_by) == ("acknowledged", "ada", "ada")
    assert (silenced.change, silenced.silenced_until, silenced.reason) == ("silenced", 99, "mine")
    assert watch.act(act("4", id_, action="resolve"))
    [resolved] = numbered(watch)
    assert (resolved.change, resolved.by, resolved.incident.state) == ("resolved", "ada", "resolved")
    assert not watch.act(act("5", id_, action="resolve")), "it is over"
    assert not watch.detector.book.open


def test_what_goes_on_after_a_person_resolved_it_opens_again_and_is_nobodys() -> None:
    calls = [step(one) for one in loop(60)]
    watch = Watch()
    watch.fold(calls[:20])
    [opened] = [one for one in numbered(watch) if one.change == "opened"]
    watch.act(act("1", opened.incident.id, action="acknowledge"))
    watch.act(act("2", opened.incident.id, action="resolve"))
    numbered(watch)
    watch.fold(calls[20:])
    [reopened] = [one for one in numbered(watch) if one.change == "reopened"]
    assert reopened.incident.id == opened.incident.id
    assert reopened.acknowledged_by == ""


@pytest.mark.parametrize("cut", [0, 100, 215, 330, len(STORY)])
def test_a_checkpoint_goes_on_as_if_nothing_had_been(cut: int) -> None:
    whole = Watch()
    before, after = watched(whole, last=cut), watched(whole, first=cut)
    halves, order = Watch(), Order([0], DAY_LATER, disorder_ms=500, absent_ms=1)
    assert told(watched(halves, last=cut)) == told(before)
    written: set[str] = set()
    roots = list(checkpoint.changed_roots(halves.detector, written))
    rest = checkpoint.rest_of(halves, order, Saved(1, 7, 9, 500))
    again, known = checkpoint.resumed(rest, roots)
    assert known == written
    assert checkpoint.saved_of(rest["position"]) == Saved(1, 7, 9, 500)
    assert told(watched(again, first=cut)) == told(after)
    assert again.standing == whole.standing
    assert states(again.detector, {}) == states(whole.detector, {})


def test_who_resumes_goes_by_its_own_parameters() -> None:
    """A checkpoint of an older version carries the thresholds of then."""
    watch = Watch(DetectConfig(spend_min=1))
    watch.fold(STORY[:50])
    rest = checkpoint.rest_of(watch, Order((), 0, disorder_ms=500, absent_ms=30_000), Saved(1, 0, 0, 500))
    again, _ = checkpoint.resumed(rest, list(checkpoint.changed_roots(watch.detector, set())))
    assert again.detector.config == DetectConfig()
    assert again.detector.seen == 50


def test_a_checkpoint_writes_the_agents_that_changed() -> None:
    watch, written = Watch(), set[str]()
    watched(watch, last=200)
    kept = {root.key: root for root in checkpoint.changed_roots(watch.detector, written)}
    assert list(checkpoint.changed_roots(watch.detector, written)) == []
    watch.fold([one for one in STORY[200:] if one.agent_id == "a1"][:3])
    numbered(watch)
    some = list(checkpoint.changed_roots(watch.detector, written))
    assert {root.key for root in some} >= {"a1"}
    assert len(some) < len(kept)
    kept |= {root.key: root for root in some}
    order = Order([0], DAY_LATER, disorder_ms=500, absent_ms=1)
    again, _ = checkpoint.resumed(checkpoint.rest_of(watch, order, Saved(1, 0, 0, 500)), kept.values())
    rest = STORY[300:]
    assert again.fold(rest) == watch.fold(rest)
    assert numbered(again) == numbered(watch)


def test_records_follow_their_contracts() -> None:
    watch = Watch()
    signals = watch.fold(STORY)
    changes = numbered(watch)
    watch.act(act("1", changes[0].incident.id, action="silence", until_ms=DAY_LATER))
    changes += numbered(watch)
    for one in changes:
        said = IncidentContract.model_validate_json(change_record(one).value)
        assert (said.incident_id, said.number, said.change) == (one.incident.id, one.number, one.change)
        assert (said.team_id, said.opened_at) == ("search", one.incident.opened_at)
    assert len(signals) == 2
    for signal in signals:
        assert SignalContract.model_validate_json(signal_record(signal).value).call_id == signal.call_id
    with pytest.raises(ValidationError):
        IncidentContract.model_validate_json(b"{}")


def test_the_story_is_what_recheck_would_find() -> None:
    watch = Watch()
    watched(watch)
    assert states(watch.detector, dict(watch.recent)) == canonical(STORY)
    assert isinstance(watch.detector, Detector)
    watch.advance(T0 + 10 * HOUR)
    numbered(watch)
    watch.forget()
    assert (watch.recent, watch.standing) == ({}, {})
