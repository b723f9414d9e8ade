"""What stands beside the calls of a sample: verdicts, runaways and what was done, budgets, plans, closed months.

All of it follows from the sample's own calls (their runs, agents, teams and costs), by arithmetic on hashes: the same
sample gives the same rows. For pictures and for tests of the boards; no detector, budget or plan made these figures.
Only judged runs are summed up as the product does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from streams.ledger.client import Database
from streams.ledger.reader import DatabaseReader
from streams.outcomes.kept import KeptRuns
from streams.outcomes.period import Span
from streams.outcomes.runs import read_runs

_KINDS = "['spend', 'loop', 'retry_storm', 'fan_out', 'context_growth', 'silent']"
_RUNS = """
    SELECT
        run_id, any(tenant_id) AS tenant_id, any(team_id) AS team_id, any(tier) AS tier, any(agent_id) AS agent_id,
        min(time) AS first_time, max(time) AS last_time, argMin(id, time) AS first_call_id, count() AS calls,
        sum(ifNull(cost_usd, 0)) AS cost_usd, cityHash64(run_id, 5) AS h
    FROM calls WHERE run_id != '' GROUP BY run_id
"""


def fill_more(database: Database, start: datetime, end: datetime) -> None:
    """Add to a ledger that holds the sample's calls from `start` to `end`."""
    for statement in (*_outcomes(), *_runaways(end), *_budgets(end), *_plans(), *_closings(start, end)):
        database.command(statement)
    span = Span(_epoch_ms(start), _epoch_ms(end) + 1)
    KeptRuns(database).keep(read_runs(DatabaseReader(database), span), span, _epoch_ms(end))


def _epoch_ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def _ms(when: datetime) -> str:
    return f"fromUnixTimestamp64Milli({_epoch_ms(when)}, 'UTC')"


def _outcomes() -> Iterator[str]:
    """Two runs in three are judged; dearer tiers do a little better, complex work a little worse."""
    yield f"""
    INSERT INTO outcome_intake
        (incarnation, partition, offset, item, kind, arrived_at, ingested_at, run_id, outcome, time, time_told,
            evaluator)
    SELECT
        1, 0, rowNumberInAllBlocks(), 0, 'outcome', r.last_time + INTERVAL 1 MINUTE, r.last_time + INTERVAL 61 SECOND,
            r.run_id,
        if(r.h % 1000 < multiIf(r.tier = 'frontier', 930, r.tier = 'mid', 900, 840), 'success', 'failure'),
        r.last_time + INTERVAL 1 MINUTE, true, 'sample'
    FROM ({_RUNS}) AS r
    WHERE r.h % 3 != 0
    """
    yield f"""
    INSERT INTO notice_rows
        (id, subject, change, severity, title, body, team_id, tier, at, links, labels, resolved, recorded_at)
    SELECT
        concat('quality-', r.run_id), concat('quality:', hex(r.h)), 'dropped', 'warning',
        concat('Quality of ', r.agent_id, ' dropped'), 'From 93 % to 81 % of 120 judged runs since the model changed.',
        r.team_id, r.tier, r.last_time, map(), map(), false, r.last_time
    FROM ({_RUNS} ORDER BY last_time DESC, run_id LIMIT 3) AS r
    """


def _runaways(end: datetime) -> Iterator[str]:
    """Some runs ran away; those of the last hours are open still, and the dearest of them are controlled."""
    now = _ms(end)
    found = f"""
        SELECT
            *, concat('inc-', lower(hex(h))) AS incident_id, {_KINDS}[1 + h % 6] AS kind,
            ['ticket', 'warning', 'critical'][1 + intDiv(h, 6) % 3] AS severity, severity != 'ticket' AS page,
            row_number() OVER (ORDER BY last_time DESC, run_id) <= 7 AS is_open,
            first_time + toIntervalSecond(60 + intDiv(h, 100) % 600) AS opened_at,
            concat(toString(calls), ' calls alike in ', toString(1 + intDiv(h, 50) % 9), ' minutes') AS evidence
        FROM ({_RUNS})
        WHERE h % 97 < 5 OR last_time > {now} - INTERVAL 20 HOUR
        ORDER BY last_time DESC, run_id LIMIT 60
    """

    def change(number: int, name: str, at: str, where: str, by: str = "''") -> str:
        done = name == "resolved"
        return f"""
        INSERT INTO incident_events
            (incident_id, number, change, at, kind, severity, state, tenant_id, team_id, tier, agent_id, run_id,
            first_call_id, first_time, opened_at, opened_by, calls_before_open, cost_before_open_usd, calls, cost_usd,
            evidence, kinds, runs, ready, page, resolved_at, reopened, pages, acknowledged_by, silenced_until, by,
            reason,
            partition, epoch, recorded_at)
        SELECT
            f.incident_id, {number}, '{name}', {at}, f.kind, f.severity, '{"resolved" if done else "open"}',
            f.tenant_id,
            f.team_id, f.tier, f.agent_id, f.run_id, f.first_call_id, f.first_time, f.opened_at, f.first_call_id,
            intDiv(f.calls, 3), toDecimal128(f.cost_usd, 12) / 3, f.calls, f.cost_usd, f.evidence,
            map(f.kind, f.evidence),
            [f.run_id], f.h % 2 = 0, f.page, {at if done else "NULL"}, 0, 1, {by},
            {f"if(f.h % 2 = 0, {at} + INTERVAL 1 DAY, NULL)" if name == "acknowledged" else "NULL"}, {by},
            {"'looking into it'" if name == "acknowledged" else "''"}, 0, 1, {at}
        FROM ({found}) AS f
        WHERE {where}
        """

    yield change(1, "opened", "f.opened_at", "1")
    yield change(2, "acknowledged", "f.opened_at + INTERVAL 3 MINUTE", "f.page AND f.h % 5 != 0", "'ada'")
    yield change(3, "resolved", "greatest(f.last_time, f.opened_at) + INTERVAL 15 MINUTE", "NOT f.is_open")
    yield f"""
    INSERT INTO signals
        (kind, agent_id, run_id, call_id, time, first_call_id, first_time, calls, cost_usd, score, ready, page,
            evidence,
        partition, recorded_at)
    SELECT
        f.kind, f.agent_id, f.run_id, f.first_call_id, f.opened_at, f.first_call_id, f.first_time, f.calls, f.cost_usd,
        1 + (f.h % 300) / 100, true, f.page, f.evidence, 0, f.opened_at
    FROM ({found}) AS f
    """
    yield f"""
    INSERT INTO notice_rows
        (id, subject, change, severity, title, body, team_id, tier, at, links, labels, resolved, recorded_at)
    SELECT
        concat(f.incident_id, '.1'), f.incident_id, 'opened', f.severity, concat(f.agent_id, ' runs away: ', f.kind),
            f.evidence,
        f.team_id, f.tier, f.opened_at, map(), map(), false, f.opened_at
    FROM ({found}) AS f
    WHERE f.page
    """
    yield f"""
    INSERT INTO deliveries (notice, channel, subject, attempt, state, at, due_at, batch, claim, error)
    SELECT
        concat(f.incident_id, '.1'), ['pager', 'chat'][1 + f.h % 2], f.incident_id, 1,
            if(f.h % 9 = 0, 'failed', 'sent'),
        f.opened_at + INTERVAL 2 SECOND, f.opened_at, '', 'worker-0', if(f.h % 9 = 0, 'HTTP 503', '')
    FROM ({found}) AS f
    WHERE f.page
    """
    yield f"""
    INSERT INTO control_events
        (id, number, scope, subject, mode, action, rate_per_minute, reason, incident_id, policy, by, since,
            expires_at, released)
    SELECT
        concat('run:', f.run_id), 1, 'run', f.run_id, if(f.h % 2 = 0, 'enforce', 'warn'),
            if(f.h % 3 = 0, 'throttle', 'block'),
        if(f.h % 3 = 0, 6, NULL), f.evidence, f.incident_id, if(f.h % 4 = 0, '', 'stop-runaways'),
            if(f.h % 4 = 0, 'ada', ''),
        f.opened_at + INTERVAL 5 SECOND, if(f.h % 5 = 0, NULL, {now} + INTERVAL 1 DAY), false
    FROM ({found}) AS f
    WHERE f.is_open
    """


def _budgets(end: datetime) -> Iterator[str]:
    """A month's budget for each team, one day's for each tier, and one hard one for everything."""
    first = end.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=32)).replace(day=1)
    gone = (end - first) / (after - first)
    day = end.replace(hour=0, minute=0, second=0, microsecond=0)

    def rows(
        name: str, value: str, team: str, tier: str, hard: str, period: tuple[str, datetime, datetime], gone: float
    ) -> str:
        each = "" if value == "''" else value.removesuffix("_id")
        return f"""
        INSERT INTO budget_state_rows
            (budget, value, period_start, period_end, period, hard, each, scope, team_id, tier, amount_usd, spent_usd,
            remaining_usd, unpriced, crossed, burning, burn_long, burn_short, forecast_usd, forecast_low_usd,
            forecast_high_usd, exhausts_at, evaluated_at, removed)
        SELECT
            {name}, {value}, {_ms(period[1])}, {_ms(period[2])}, '{period[0]}', {hard}, '{each}', map(), {team}, {tier},
            -- between 60 and 140 % of what an even pace would spend
            greatest(toDecimal128(1, 12),
            toDecimal128(round(toFloat64(g.spent) / {max(gone, 0.01)} * (0.6 + (g.h % 80) / 100)), 12)) AS amount,
            g.spent, amount - g.spent, g.unpriced,
            multiIf(g.spent > amount, 100, g.spent > amount * 0.8, 80, g.spent > amount / 2, 50, 0),
            if(g.h % 7 = 0, 'warning', ''), 1 + (g.h % 40) / 10, 1 + (g.h % 60) / 10,
            toDecimal128(toFloat64(g.spent) / {max(gone, 0.01)}, 12),
            toDecimal128(toFloat64(g.spent) / {max(gone, 0.01)} * 0.9, 12),
            toDecimal128(toFloat64(g.spent) / {max(gone, 0.01)} * 1.15, 12),
            if(toFloat64(g.spent) / {max(gone, 0.01)} > amount, {_ms(period[2])} - INTERVAL 1 DAY, NULL), {_ms(end)},
            false
        FROM
        (
            SELECT {team} AS team_id, {tier} AS tier, toDecimal128(sum(ifNull(s.cost_usd, 0)), 12) AS spent,
            sum(s.unpriced) AS unpriced,
                cityHash64(team_id, tier, '{period[0]}') AS h
            FROM spend_by_hour AS s
            WHERE s.hour >= toDateTime('{period[1]:%Y-%m-%d %H:%M:%S}', 'UTC')
            AND s.hour < toDateTime('{end:%Y-%m-%d %H:%M:%S}', 'UTC')
            GROUP BY team_id, tier
        ) AS g
        WHERE {value} != '' OR '{each}' = ''
        """

    month, today = ("month", first, after), ("day", day, day + timedelta(days=1))
    yield rows("'team'", "team_id", "team_id", "''", "false", month, gone)
    yield rows("'tier'", "tier", "''", "tier", "false", today, (end - day) / timedelta(days=1))
    yield rows("'everything'", "''", "''", "''", "true", month, gone)
    yield f"""
    INSERT INTO budget_event_rows
        (id, budget, value, period_start, kind, mark, number, severity, told, amount_usd, spent_usd, title, at)
    SELECT
        concat(budget, '/', value, '/', toString(number)), budget, value, period_start,
        ['crossed', 'burning', 'expected'][1 + number], ['50', '6/1', ''][1 + number], 1,
        ['ticket', 'warning', 'critical'][1 + number], true, amount_usd, spent_usd,
        concat('Budget ', budget, if(value = '', '', concat(' (', value, ')')), ': ',
            ['50 % reached', 'burning fast', 'will most likely break'][1 + number]),
        {_ms(end)} - toIntervalHour(1 + cityHash64(budget, value, number) % 600)
    FROM (SELECT *, arrayJoin([0, 1, 2]) AS number FROM budget_states)
    WHERE crossed >= 50
    """


def _plans() -> Iterator[str]:
    """Groq flat by the month, Anthropic committed, the rest without a plan."""
    plan = "multiIf(provider_name = 'groq', 'groq flat', provider_name = 'anthropic', 'anthropic commitment', '')"
    yield f"""
    INSERT INTO plan_line_rows
    SELECT
        1, toStartOfMonth(s.hour) AS month, {plan} AS plan, toDateTime(month, 'UTC'),
        if(plan = '', 'per_token', 'used'), toDate(s.hour) AS day, tenant_id, team_id, tier,
        provider_name, request_model, sum(s.calls), sum(s.input_tokens) + sum(s.output_tokens),
        toDecimal128(sum(ifNull(s.cost_usd, 0)), 12) AS list, if(plan = 'groq flat', list * 0.8, list)
    FROM spend_by_hour AS s
    GROUP BY month, plan, day, tenant_id, team_id, tier, provider_name, request_model
    """
    yield """
    INSERT INTO plan_line_rows
    SELECT 1, month, plan, period_start, 'idle', toLastDayOfMonth(month), '', '', '', '', '', 0, 0, 0,
        sum(list_usd) * 0.15
    FROM plan_line_rows
    WHERE plan != '' AND kind = 'used'
    GROUP BY month, plan, period_start
    """
    yield """
    INSERT INTO plan_period_rows
    SELECT
        1, p.month, p.plan, p.period_start,
            multiIf(p.plan = '', 'per_token', p.plan = 'groq flat', 'flat', 'committed'),
        p.period_start, p.period_start + INTERVAL 1 MONTH, if(p.plan = 'groq flat', 'tokens', 'usd'),
        if(p.plan = '', 0, p.total), if(p.plan = '', NULL, toDecimal128(p.tokens, 12) * 1.2),
            toDecimal128(p.tokens, 12),
        0, if(p.plan = '', 0, toDecimal128(p.tokens, 12) * 0.2), p.idle, 0, p.total, p.list, p.calls, p.tokens, 0,
        if(p.plan = '', NULL, toDecimal128(p.tokens, 0)),
        p.tiers, ''
    FROM
    (
        SELECT
            month, plan, period_start, sum(u.list) AS list, sum(u.cost) AS total, sum(u.idle) AS idle,
            sum(u.calls) AS calls,
            sum(u.tokens) AS tokens,
            groupArrayIf((u.tier, u.calls, u.tokens, u.list, u.cost, toNullable(toDecimal128(u.tokens, 0))),
            u.tier != '') AS tiers
        FROM
        (
            SELECT
                month, plan, period_start, tier, sum(list_usd) AS list, sum(cost_usd) AS cost,
                sumIf(cost_usd, kind = 'idle') AS idle,
                sum(l.calls) AS calls, sum(l.tokens) AS tokens
            FROM plan_line_rows AS l
            GROUP BY month, plan, period_start, tier
        ) AS u
        GROUP BY month, plan, period_start
    ) AS p
    """


def _closings(start: datetime, end: datetime) -> Iterator[str]:
    """The months that are over were closed on the second day after."""
    month = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while (after := (month + timedelta(days=32)).replace(day=1)) <= end:
        yield f"""
        INSERT INTO closing_changes
            (month, number, change, id, at, by, reason, calls, unpriced, cost_usd, corrections_usd, digest)
        SELECT
            '{month:%Y-%m-%d}', 1, 'closed', 'sample-{month:%Y-%m}', {_ms(after + timedelta(days=1, hours=9))}, 'ada',
            'books',
            sum(s.calls), sum(s.unpriced), sum(ifNull(s.cost_usd, 0)), 0, lower(hex(SHA256('{month:%Y-%m}')))
        FROM spend_by_hour AS s
        WHERE s.hour >= toDateTime('{month:%Y-%m-%d} 00:00:00', 'UTC')
            AND s.hour < toDateTime('{after:%Y-%m-%d} 00:00:00', 'UTC')
        """
        month = after
