"""Series to back-test on: recorded calls, simulated days, demand of the Numenta benchmark.

A series is what was spent in each step, from the first call to the last. A step is an hour where there are four days of
calls or more; shorter records are cut into finer steps, treated as if those were hours: ten minutes from half a day on,
else half a minute. That says how models bear bursts and level shifts, not how well they know a day.

Money where models have prices; where most calls have none (`unknown`, models of a research set), the unit is tokens
with an output token as four. Measures are shares, so units do not meet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from streams.errors import UsageError
from streams.forecast.models import Steps

HOUR_MS: Final = 3_600_000
AGENTS: Final = 8
"""Series of single agents beside the sum of a set."""
ACTIVE: Final = 0.25
"""An agent that spends in a smaller share of the steps is no series."""
LEAST: Final = 96
"""Steps that a series has at least: two days to learn from, two to be judged on."""
DEMAND: Final = ("realTweets/", "realKnownCause/nyc_taxi", "realAWSCloudwatch/elb_request_count")
"""Files of the Numenta benchmark that count demand, and add up: messages, rides, requests."""


@dataclass(frozen=True, slots=True)
class Series:
    """`values`: what was spent in each step, in `unit` (`USD`, `tokens`, `events`)."""

    name: str
    values: Steps
    step_s: float
    unit: str


@dataclass(frozen=True, slots=True)
class Spent:
    """One call: when (epoch ms), by whom, pico-USD (None: no price), tokens with an output token as four."""

    time_ms: int
    agent: str
    pico: int | None
    tokens: int


def series_of(calls: Iterable[Spent]) -> list[Series]:
    """The sum of a set and its largest steady agents; none when the set is too short."""
    known = list(calls)
    if not known:
        return []
    priced = 2 * sum(call.pico is not None for call in known) >= len(known)
    first, last = min(call.time_ms for call in known), max(call.time_ms for call in known)
    step = _step_ms(last - first)
    first = first // step * step
    count = (last - first) // step  # the last step may be cut off: it is left out
    if count < LEAST:
        return []
    total = np.zeros(count)
    by_agent: dict[str, Steps] = defaultdict(lambda: np.zeros(count))
    for call in known:
        at = (call.time_ms - first) // step
        amount = (0 if call.pico is None else call.pico / 1e12) if priced else float(call.tokens)
        if at < count:
            total[at] += amount
            by_agent[call.agent][at] += amount
    unit = "USD" if priced else "tokens"
    steady = {
        agent: values for agent, values in by_agent.items() if np.count_nonzero(values) >= ACTIVE * count
    }  # fmt: skip
    largest = Counter({agent: float(values.sum()) for agent, values in steady.items()}).most_common(AGENTS)
    found = [Series("all", total, step / 1000, unit)]
    if len(by_agent) > 1:
        found += [Series(agent, steady[agent], step / 1000, unit) for agent, _ in largest]
    return found


def _step_ms(span_ms: int) -> int:
    if span_ms >= 4 * 24 * HOUR_MS:
        return HOUR_MS
    return 600_000 if span_ms >= 12 * HOUR_MS else 30_000


def recorded(file: str) -> list[Series]:
    """Series of a file of calls (JSONL, plain or gzip), or of the archive of the Numenta benchmark (`.tar.gz`).

    Calls that come twice count once; lines that are no calls are left out. Raises `UsageError` when the file cannot be
    read or is too short.
    """
    found = _demand(Path(file)) if file.endswith((".tar.gz", ".tgz")) else series_of(_metered(file))
    if not found:
        raise UsageError(f"{file}: too short for a back-test, which wants {LEAST} steps of half a minute at least")
    return found


def simulated(seed: int, days: int, agents: int) -> list[Series]:
    """Series of simulated days, runaways included."""
    from streams.simulate import simulate

    return series_of(
        Spent(
            row["time"],
            row["agent_id"],
            int(row["reported_cost"].replace(".", "")) if "reported_cost" in row else None,
            0,
        )
        for row in simulate(seed, days, agents)
    )


def name_of(file: str) -> str:
    """`azure_llm_2023` for azure_llm_2023/calls.jsonl.gz; else the file's name without its endings."""
    path = Path(file)
    return path.absolute().parent.name if path.name.startswith("calls.") else path.name.split(".")[0] or path.name


def _metered(file: str) -> Iterator[Spent]:
    from streams.meter.decode import decode
    from streams.meter.price import Pricer
    from streams.meter.rows import CallColumns
    from streams.replay.lines import check_sources, read_chunks

    check_sources([file])
    pricer = Pricer.default()
    seen: set[tuple[str | None, str]] = set()
    names = ("time", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
    for chunk in read_chunks(file):
        calls = []
        for call in decode(chunk.lines, [-1] * len(chunk.lines)).calls:
            if (call.source, call.id) not in seen:
                seen.add((call.source, call.id))
                calls.append(call)
        columns = CallColumns(calls)
        priced = pricer.price(
            columns["provider_name"], columns["request_model"], columns["response_model"], *map(columns.ints, names)
        )
        for call, cost, known in zip(calls, priced.cost_pico.tolist(), priced.priced.tolist(), strict=True):
            tokens = call.input_tokens + 4 * call.output_tokens
            yield Spent(call.time, call.agent_id, cost if known else None, tokens)


def _demand(archive: Path) -> list[Series]:
    from streams.evaluate.nab import corpus

    try:
        files = [series for series in corpus(archive) if series.name.startswith(DEMAND)]
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{archive} is not the Numenta benchmark's archive: {error}") from error
    found = []
    for file in files:
        values = _hourly(file.times, file.values)
        if len(values) >= LEAST:
            found.append(Series(file.name, values, 3600.0, "events"))
    return found


def _hourly(times: Sequence[int], values: Sequence[float]) -> Steps:
    first = times[0] // HOUR_MS
    total = np.zeros(times[-1] // HOUR_MS - first)
    for time, value in zip(times, values, strict=True):
        if time // HOUR_MS - first < len(total):
            total[time // HOUR_MS - first] += value
    return total
