"""What the worker flagged, beside what was announced: matched by run, else by agent and time; said once."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from streams.demo.flagged import Flag, flag_of
from streams.demo.words import Teller, summary
from tests.unit.demo.test_screen import drawn, result, stage_at

FLAG = Flag(
    "inc-1", "retry_storm", "critical", "open", "search", "ci-medic", "p/x", (), "c-1", 0, 7, Decimal("0.3"), 90,
    Decimal(5), "7 failures in a row",
)  # fmt: skip


def test_a_flag_belongs_to_the_run_or_to_the_agent_while_it_ran() -> None:
    stage = stage_at(14)
    one, other = stage.runaways[:2]
    ids = stage.run_ids
    by_run = replace(FLAG, run_id=ids[one])
    joined = replace(FLAG, run_id="p/another", runs=("p/another", ids[one]))
    whole = replace(FLAG, run_id="", agent_id=one.agent.agent_id, opened_ms=one.starts_ms)
    assert flag_of(one, ids, [replace(FLAG, run_id="p/other"), by_run]) == by_run
    assert flag_of(one, ids, [joined]) == joined
    assert flag_of(one, ids, [whole]) == whole
    assert flag_of(one, ids, [replace(whole, opened_ms=one.starts_ms - 1)]) is None
    assert flag_of(other, ids, [by_run]) is None
    assert flag_of(one, {}, [replace(FLAG, run_id="")]) is None


def test_the_screen_and_the_lines_say_it() -> None:
    stage = stage_at(14)
    assert stage.figures is not None
    stage.figures = replace(stage.figures, flags=(replace(FLAG, run_id=stage.run_ids[stage.runaways[0]]),))
    assert "flagged retry storm after 7 calls, $0.3000" in "\n".join(drawn(stage, 160, 40))
    assert max(map(len, drawn(stage, 60, 24))) <= 60
    teller = Teller(stage)
    said = "critical: retry storm by ci-medic: 7 failures in a row"
    assert said in teller.news()
    assert said not in teller.news()


def test_the_summary_and_json_tell_what_was_found_and_what_was_not() -> None:
    made = result()
    runaway = made.runaways[0][0]
    ids = {runaway: f"p/{runaway.run_id}"}
    assert "; not flagged" in summary(replace(made, run_ids=ids), None)
    found = replace(made, run_ids=ids, flags=(replace(FLAG, run_id=ids[runaway]), replace(FLAG, id="inc-2")))
    text = summary(found, None)
    assert "; flagged as retry storm after 7 calls, $0.3000" in text
    assert "1 more: retry_storm of ci-medic" in text
    shown = json.loads(json.dumps(found.as_json()))
    assert [one["id"] for one in shown["incidents"]] == ["inc-1", "inc-2"]
    assert shown["runaways"][0]["incident"] == "inc-1"
    assert shown["runaways"][0]["run_id"] == ids[runaway]
