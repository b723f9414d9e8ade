"""A made-up ledger for the boards: every panel has something to show, and names are as hostile as routers can send.

Rows are written by ClickHouse itself, from their number alone: the same `Sample` gives the same ledger. Calls come
in runs of 40, in time order with a daily rhythm; among them are duplicates, rejects, unpriced, denied, escalated and
late ones. For pictures and measurements; what calls cost here is no price of anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.boards.sample_more import fill_more
from streams.ledger.client import Database

HOSTILE = ("o'brien", "back\\slash", "ends in \\", "')) OR 1=1 --", "50% & more=${team} $__all", "x" * 128)
"""Names that a careless board breaks on. They are teams and agents of every sample."""

_PLAIN = ("", "billing", "data", "growth", "mobile", "platform", "research", "search", "support")
TEAMS = (*_PLAIN, *HOSTILE)
"""Teams of a sample; the empty one stands for calls without a team."""

# provider, model, tier, and prices in 1e-12 USD a token: uncached input, cached input, output (0: no price is known)
_MODELS = (
    ("anthropic", "claude-sonnet-4-5", "frontier", 3_000_000, 300_000, 15_000_000),
    ("google", "gemini-3-pro-preview", "frontier", 2_000_000, 200_000, 12_000_000),
    ("openai", "gpt-5-mini", "mid", 250_000, 25_000, 2_000_000),
    ("anthropic", "claude-haiku-4-5", "mid", 1_000_000, 100_000, 5_000_000),
    ("groq", "llama-3.3-70b-versatile", "oss", 590_000, 590_000, 790_000),
    ("deepseek", "deepseek-chat", "oss", 280_000, 28_000, 420_000),
    ("inhouse", "house-7b", "oss", 0, 0, 0),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """How large a ledger, and where in time. `end` is the time of the newest call; `calls` counts all rows."""

    end: datetime
    calls: int = 60_000
    days: int = 45
    agents: int = 120
    partitions: int = 4
    hostile: bool = True
    first: int = 0
    """Number of the first row: another number makes other rows, for adding to a ledger."""


def fill(database: Database, sample: Sample) -> None:
    """Add the sample's rows to a migrated ledger. 1,000,000 rows take about 4 s on one core."""
    start = sample.end - timedelta(days=sample.days)
    step = 1_000_000
    for first in range(0, sample.calls, step):
        database.command(_rows(sample, start, first, min(step, sample.calls - first)))
    epochs = ", ".join(
        f"({partition}, 1, 'start', 1, 0, 'worker-{partition % 2}', fromUnixTimestamp64Milli({_ms(start)}), '')"
        for partition in range(sample.partitions)
    )
    if not sample.first:
        for statement in _figures(sample):
            database.command(statement)
        database.command(
            "INSERT INTO epochs (partition, epoch, event, incarnation, start_offset, worker, at, note) VALUES " + epochs
        )
        fill_more(database, start, sample.end)


def _figures(sample: Sample) -> tuple[str, ...]:
    """Ten days of what a duty says of savings."""
    last = f"toDate('{sample.end - timedelta(days=1):%Y-%m-%d}')"
    return (
        f"""
        INSERT INTO savings_estimates
        SELECT
            {last} - number, now64(3), 30, 40000, 300, 0.3, 0.4, 0.1, 0.6, 0.4, 0.5, -2 + number, 30, 'hybrid',
            'Half of spend is steady.', ['Judge more runs first.'], ['How much is routine?', 'How much can move?'],
            ['partly', 'unknown'], ['Between 30% and 40%.', 'Not enough evidence.'], ['Prices stay.']
        FROM numbers(10)
        """,
        f"""
        INSERT INTO savings_evidence
        SELECT
            {last} - number, ['routine', 'complex', ''][1 + number % 3], 'frontier', 'mid',
            ['movable', 'unclear', 'worse'][1 + number % 3], 400, 380, 390, 370, -0.01, -0.04, 0.02,
            if(number % 3 = 1, 800, NULL), if(number % 3 = 0, 9000, NULL), if(number % 3 = 0, 90, NULL),
            if(number % 3 = 0, 20, NULL), if(number % 3 = 0, 30, NULL)
        FROM numbers(10)
        UNION ALL
        SELECT
            {last}, 'routine', 'frontier', 'oss', 'unclear', 400, 380, 20, 19, -0.01, -0.2, 0.1, 800, 9000, 90, 20, 30
        """,
    )


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _list(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _rows(sample: Sample, start: datetime, first: int, count: int) -> str:
    models = ", ".join(f"({_text(p)}, {_text(m)}, {_text(t)}, {i}, {c}, {o})" for p, m, t, i, c, o in _MODELS)
    span = (sample.end - start).total_seconds()
    return f"""
    INSERT INTO intake
    (
        incarnation, partition, offset, item, epoch, outcome, arrived_at, ingested_at, id, source, time,
        tenant_id, team_id, agent_id, agent_name, run_id, operation_name, provider_name, request_model, tier,
        task_class, escalated_from, route_reason, policy_id, decision,
        input_tokens, output_tokens, cache_read_input_tokens, attempt, status, error_type, latency_ms, tool_name,
        identity, cost_usd, price_status, price_source, price_ref, reason, detail, payload
    )
    WITH
        {first + sample.first} + number AS n,
        cityHash64(n) AS h,
        intDiv(n, 40) AS run,
        cityHash64(run, 7) AS r,
        (n - {sample.first}) / {sample.calls} * {span / 86400} AS day,
        day - floor(day) AS u,
        -- more calls by day than by night: the inverse of a density with its peak at noon
        {_ms(start)} + toInt64((floor(day) + u + 0.75 * sin(2 * pi() * u) / (2 * pi())) * 86400000) AS event_ms,
        multiIf(h % 200 = 0, 3, h % 50 = 1, 2, 1) AS kind,
        kind = 3 AS rejected,
        -- squared: few agents do most of the work
        toUInt32(pow((r % 100000) / 100000, 2) * {sample.agents}) AS agent,
        {_list(TEAMS if sample.hostile else _PLAIN)} AS teams,
        {_list(HOSTILE)} AS hostile,
        teams[1 + cityHash64(agent, 3) % length(teams)] AS team,
        concat('agent-', leftPad(toString(agent), 5, '0')) AS plain,
        if(agent < {len(HOSTILE) if sample.hostile else 0}, hostile[agent + 1], plain) AS agent_text,
        [{models}] AS models,
        cityHash64(agent, 11) AS taste,
        h % 100 AS dice,
        intDiv(h, 100) % 1000 AS fine,
        -- an escalated call goes to the first model; the last model, which has no price, gets 1 call in 100
        fine < 30 AS escalated,
        fine >= 993 AS denied,
        models[multiIf(escalated, 1, fine < 40, 7, dice < 80, 1 + taste % 6, 1 + h % 6)] AS model,
        if(denied, 0, 400 + intDiv(h, 1000) % 24000) AS tokens_in,
        if(denied, 0, 20 + intDiv(h, 7000) % 1500) AS tokens_out,
        if(model.4 = 0, 0, intDiv(tokens_in * (h % 7), 10)) AS cached,
        (tokens_in - cached) * model.4 + cached * model.5 + tokens_out * model.6 AS pico,
        model.4 > 0 AND NOT rejected AS priced,
        -- one call in a hundred comes up to three hours late
        event_ms + if(dice = 99, fine * 10800, 40 + fine) AS arrived_ms,
        fromUnixTimestamp64Milli(if(rejected, arrived_ms, event_ms), 'UTC') AS happened
    SELECT
        1, n % {sample.partitions}, intDiv(n, {sample.partitions}), 0, 1, kind,
        fromUnixTimestamp64Milli(arrived_ms, 'UTC'), fromUnixTimestamp64Milli(arrived_ms + 150 + h % 900, 'UTC'),
        if(rejected, '', concat('c', toString(n))), if(rejected, '', 'sample'), happened,
        if(rejected, '', 'acme'), if(rejected, '', team), if(rejected, '', agent_text),
        if(rejected, '', concat('Agent ', toString(agent))), if(rejected, '', concat('run-', toString(run))),
        if(rejected, '', 'chat'), if(rejected, '', model.1), if(rejected, '', model.2), if(rejected, '', model.3),
        if(rejected, '', ['routine', 'standard', 'complex'][1 + intDiv(r, 1000) % 3]),
        if(escalated AND NOT rejected, 'mid', ''), if(escalated AND NOT rejected, 'low confidence', ''),
        multiIf(rejected, '', escalated, 'escalate-on-doubt', denied, 'frontier-only-for-complex', ''),
        multiIf(rejected, '', escalated, 'escalate', denied, 'deny', fine < 500, 'allow', ''),
        if(rejected, 0, tokens_in), if(rejected, 0, tokens_out), if(rejected, 0, cached), if(dice = 5, 2, 0),
        multiIf(rejected, '', denied, 'denied', dice = 3, 'error', dice = 4, 'rate_limited', 'ok'),
        multiIf(rejected, '', dice = 3, 'server_error', ''),
        if(rejected OR denied, NULL, 200 + tokens_out * 9 + h % 700),
        if(h % 5 = 0 AND NOT rejected, 'search', ''), cityHash64('sample', n),
        if(priced, toDecimal64(pico / 1e12, 12), NULL),
        multiIf(rejected, '', priced, 'priced', 'unknown_provider'),
        if(priced, 'sample', ''), if(priced, concat(model.1, '/', model.2), ''),
        if(rejected, ['not_json', 'missing_field', 'wrong_type', 'time_in_future'][1 + fine % 4], ''),
        if(rejected, ['no value', 'no agent_id', 'input_tokens: a text', 'a day ahead'][1 + fine % 4], ''),
        if(rejected, '{{"id": 7}}', '')
    FROM numbers({count})
    """
