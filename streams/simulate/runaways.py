"""The runaways: five kinds, three grades each, made of calls that carry the number of their label.

Grades: `easy` is what a fixed threshold would catch, `medium` hides in pace or in numbers, `hard` hides among the
agent's own normal calls. A runaway ends by itself (somebody stopped it, or the work ran out). Rows as in
`streams.simulate.traffic`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from streams.simulate.fleet import DAY_MS, HOUR_MS, WINDOW_TOKENS, Agent
from streams.simulate.traffic import Faulty, Row, call, children, fingerprint, one_run, quantity

KINDS = ("loop", "retry_storm", "fan_out", "context_growth", "spend_spike")
GRADES = ("easy", "medium", "hard")


def tag(rows: list[Row], label: int) -> list[Row]:
    """Mark rows as part of runaway number `label`."""
    for row in rows:
        row["_label"] = label
    return rows


def _lead_in(rng: random.Random, agent: Agent, at: int, run: str | None) -> list[Row]:
    """A few ordinary calls of the same run, so that the runaway does not start with the run."""
    rows: list[Row] = []
    context = agent.base_input
    for _ in range(rng.randrange(3, 15)):
        rows.append(call(rng, agent, at, run, quantity(rng, context, 0.1), quantity(rng, agent.base_output, 0.6)))
        at += quantity(rng, 6000, 0.5)
        context += int(agent.growth)
    return rows


def loop(
    rng: random.Random,
    agent: Agent,
    at: int,
    run: str | None,
    grade: str,
    label: int,
    faulty: Faulty,
    *,
    last_ms: int | None = None,
) -> list[Row]:
    """The same call again and again; `last_ms` makes it go on that long (a day-long loop)."""
    rows = _lead_in(rng, agent, at, run)
    at = int(rows[-1]["time"]) + 3000
    context = int(rows[-1]["input_tokens"])
    style = {
        "easy": "same",
        "medium": rng.choice(("cycle", "slow")),
        "hard": rng.choice(("near", "mixed", "slow_cycle")),
    }[grade]
    size = 1 if style in ("same", "slow") else rng.randrange(2, 6)
    gap = {
        "same": rng.uniform(2, 6),
        "cycle": rng.uniform(3, 8),
        "slow": 20.0,
        "near": rng.uniform(4, 10),
        "mixed": rng.uniform(3, 8),
        "slow_cycle": 20.0,
    }[style]
    prints = [fingerprint(rng) for _ in range(size)]
    outs = [quantity(rng, agent.base_output, 0.5) for _ in prints]
    step_growth = rng.choice((0, 30, 200))
    count = rng.randrange(60, 400) if last_ms is None else int(last_ms / 1000 / gap)
    made: list[Row] = []
    for number in range(count):
        where = number % size
        odd = (style == "near" and rng.random() < 0.25) or (style == "mixed" and rng.random() < 0.15)
        print_ = fingerprint(rng) if odd else prints[where]
        made.append(call(rng, agent, at, run, context, max(1, int(outs[where] * rng.uniform(0.97, 1.03))), print_))
        context = min(context + step_growth, WINDOW_TOKENS - 20_000)
        at += quantity(rng, gap * 1000, 0.3)
    return rows + tag(made, label)


def retry_storm(
    rng: random.Random, agent: Agent, at: int, run: str | None, grade: str, label: int, faulty: Faulty
) -> list[Row]:
    """Calls that fail and are sent again, with or without back-off and attempt numbers."""
    rows = _lead_in(rng, agent, at, run)
    at = int(rows[-1]["time"]) + 2000
    fail = {"easy": 1.0, "medium": 0.97, "hard": rng.uniform(0.72, 0.85)}[grade]
    kind = rng.choice(("error", "timeout", "rate_limited"))
    print_, attempt = fingerprint(rng), 1
    made: list[Row] = []
    for _ in range(rng.randrange(60, 300)):
        failed = rng.random() < fail
        row = call(
            rng, agent, at, run, quantity(rng, agent.base_input, 0.05), 0 if failed else agent.base_output, print_
        )
        if failed:
            row["status"] = kind
        if grade != "hard" and attempt > 1:
            row["attempt"] = attempt
        made.append(row)
        attempt = attempt + 1 if failed and attempt < 12 else 1
        if attempt == 1:
            print_ = fingerprint(rng)
        backoff = min(60.0, 1.5**attempt) if grade == "medium" else rng.uniform(0.5, 3.0)
        at += int(backoff * 1000 * rng.uniform(0.7, 1.3)) + 300
    return rows + tag(made, label)


def fan_out(
    rng: random.Random, agent: Agent, at: int, run: str | None, grade: str, label: int, faulty: Faulty
) -> list[Row]:
    """Sub-agents without end: recursive (easy), a wide burst (medium), a steady drip (hard)."""
    rows = _lead_in(rng, agent, at, run)
    at = int(rows[-1]["time"]) + 2000
    made: list[Row] = []
    usual = max(agent.fan_out, 1)
    if grade == "easy":
        layer = [agent.name]
        for depth in range(1, 6):
            following: list[str] = []
            for parent in layer[:60]:
                born = children(rng, agent, at, run, rng.randrange(2, 5), faulty, spread_s=20, steps=2, parent=parent)
                following.extend(sorted({str(row["agent_id"]) for row in born}))
                made.extend(born)
            layer = following
            at += 25_000 * depth // 2
    elif grade == "medium":
        made = children(
            rng, agent, at, run, max(80, 3 * usual) + rng.randrange(150), faulty, spread_s=rng.uniform(120, 600)
        )
    else:
        count = max(55, int(2.2 * usual)) + rng.randrange(60)
        made = children(rng, agent, at, run, count, faulty, spread_s=rng.uniform(1200, 3600), steps=2)
    return rows + tag(made, label)


def context_growth(
    rng: random.Random, agent: Agent, at: int, run: str | None, grade: str, label: int, faulty: Faulty
) -> list[Row]:
    """A context that is never trimmed: fast (easy), at four times its habit (medium), slowly past its own ceiling
    (hard).
    """
    rows = _lead_in(rng, agent, at, run)
    at = int(rows[-1]["time"]) + 4000
    context = float(rows[-1]["input_tokens"])
    habit = max(agent.growth, 0.06 * agent.base_input, 150.0)
    ceiling = WINDOW_TOKENS * (1.0 if grade == "easy" else rng.uniform(0.8, 1.0))
    made: list[Row] = []
    for _ in range(rng.randrange(60, 220)):
        tokens = int(context * rng.uniform(0.97, 1.0))  # what is cut at the ceiling is not the same each time
        made.append(call(rng, agent, at, run, tokens, quantity(rng, agent.base_output, 0.6)))
        if grade == "easy":
            context *= 1.15
        elif grade == "medium":
            context += quantity(rng, 4 * habit + 1000, 0.4)
        else:
            context += quantity(rng, 1.5 * habit + 400, 0.4)
        context = min(context, ceiling)
        at += quantity(rng, max(agent.gap_s, 4.0) * 1000, 0.4)
    return rows + tag(made, label)


def spend_spike(
    rng: random.Random,
    agent: Agent,
    at: int,
    run: str | None,
    grade: str,
    label: int,
    faulty: Faulty,
    fresh_run: Callable[[], str | None],
) -> list[Row]:
    """More of the agent's ordinary work than it ever does: 12, 6 or 3 times its busy hour, for one to three hours."""
    times = {"easy": 12.0, "medium": 6.0, "hard": 3.0}[grade]
    hours = rng.uniform(1.0, 3.0)
    per_hour = max(2.0 * agent.runs_a_day / 24.0, 1.5) * times
    if agent.kind == "batch":
        per_hour = times * 0.5  # more jobs, one after the other
    count = min(int(per_hour * hours), 4000)
    made: list[Row] = []
    for number in range(max(count, 4)):
        start = at + int((number + rng.random()) / max(count, 4) * hours * HOUR_MS)
        made.extend(one_run(rng, agent, start, fresh_run(), faulty))
    return tag(made, label)


def day_long_loop(
    rng: random.Random,
    agent: Agent,
    at: int,
    runs: tuple[str | None, str | None],
    labels: tuple[int, int],
    faulty: Faulty,
) -> list[Row]:
    """A slow loop of about a day and, some hours after its end, a second one of ordinary length."""
    first = loop(rng, agent, at, runs[0], "medium", labels[0], faulty, last_ms=int(0.9 * DAY_MS))
    end = int(first[-1]["time"])
    second = loop(rng, agent, end + rng.randrange(3, 8) * HOUR_MS, runs[1], "medium", labels[1], faulty)
    return first + second
