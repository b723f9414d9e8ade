"""The report's figures as plain tables, exact to the last digit: what the CSV files and `--json` hold.

Money has all twelve decimals. Instants and days are UTC. In CSV a text that a spreadsheet would take for a formula
gets an apostrophe in front (agents are named by whoever runs them).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.errors import UsageError
from streams.money import exact
from streams.report.charged import Corrected
from streams.report.figures import Pair, Report
from streams.report.section import Section, Table, Value
from streams.report.sums import Sums

MEASURES = (
    "calls", "input_tokens", "uncached_input_tokens", "cache_read_input_tokens", "cache_write_input_tokens",
    "output_tokens", "reasoning_output_tokens", "unpriced_calls", "failed_calls", "cost_usd",
)  # fmt: skip
"""Columns of `Sums` with every measure; `input_tokens` includes cached, `output_tokens` includes reasoning."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def tables(report: Report, sections: Sequence[Section] = ()) -> list[Table]:
    """All tables, summary first, those of `sections` last."""
    compared = (*MEASURES, "before_calls", "before_cost_usd", "change_usd")
    return [
        Table("summary", ("figure", "value"), tuple(summary(report).items())),
        Table("by_team", ("tenant_id", "team_id", *compared), _compared(report.teams)),
        Table("by_tier", ("tier", *compared), _compared(report.tiers)),
        Table("by_model", ("provider_name", "request_model", *compared), _compared(report.models)),
        Table("by_day", ("day", *MEASURES), tuple((day, *_all(sums)) for day, sums in report.by_day.items())),
        Table(
            "all",
            ("day", "tenant_id", "team_id", "tier", "provider_name", "request_model", *MEASURES),
            tuple((c.day, c.tenant, c.team, c.tier, c.provider, c.model, *_all(c.sums)) for c in report.cells),
        ),
        Table(
            "top_agents",
            ("tenant_id", "agent_id", "teams", "runs", *_FEW),
            tuple((a.tenant, a.agent, a.teams, a.runs, *_few(a.sums)) for a in report.agents),
        ),
        Table(
            "top_runs",
            ("tenant_id", "run_id", "first_agent_id", "teams", "agents", "first_call", "last_call", *_FEW),
            tuple(
                (r.tenant, r.run, r.first_agent, r.teams, r.agents, r.first_call, r.last_call, *_few(r.sums))
                for r in report.runs
            ),
        ),
        Table(
            "unpriced",
            ("provider_name", "request_model", "price_status", "calls", "input_tokens", "output_tokens",
             "first_call", "last_call"),
            tuple(
                (u.provider, u.model, u.status, u.sums.calls, u.sums.input, u.sums.output, u.first_call, u.last_call)
                for u in report.unpriced
            ),
        ),
        Table(
            "late",
            ("day", "calls", "unpriced_calls", "cost_usd", "calls_after_period", "cost_after_period_usd",
             "last_ingested"),
            tuple(
                (one.day, one.sums.calls, one.sums.unpriced, exact(one.sums.cost), one.after_period,
                 exact(one.after_period_cost), one.last_ingested)
                for one in report.late
            ),
        ),
        Table(
            "reported",
            ("provider_name", "calls", "unpriced_calls", "reported_usd", "cost_usd", "difference_usd"),
            tuple(
                (r.provider, r.sums.calls, r.sums.unpriced, exact(r.reported), exact(r.sums.cost),
                 exact(r.reported - r.sums.cost))
                for r in report.reported
            ),
        ),
        Table(
            "excluded",
            ("outcome", "reason", "records"),
            tuple((e.outcome, e.reason, e.records) for e in report.excluded),
        ),
        Table(
            "chargeback",
            ("tenant_id", "team_id", "calls", "own_usd", "late_usd", "rerated_usd", "plans_usd", "charged_usd"),
            tuple(
                (c.tenant, "(nobody: idle capacity)" if c.team is None else c.team, c.own.calls, exact(c.own.cost),
                 exact(c.late), exact(c.rerated), exact(c.fees), exact(c.total))
                for c in report.chargeback
            ),
        ),
        Table("corrections", _CORRECTED, _corrected(report.corrected)),
        Table("corrections_since", _CORRECTED, _corrected(report.corrected_since)),
        Table(
            "budgets",
            ("budget", "value", "amount_usd", "spent_usd", "remaining_usd", "hard", "crossed_percent",
             "unpriced_calls"),
            tuple(
                (b.budget, b.value, exact(b.amount), exact(b.spent), exact(b.remaining), "hard" if b.hard else "soft",
                 b.crossed, b.unpriced)
                for b in report.budgets
            ),
        ),
        *(table for section in sections for table in section.tables),
    ]  # fmt: skip


def summary(report: Report) -> dict[str, Value]:
    """The few figures that everybody asks for, by name."""
    now, before = report.total, report.total_before
    return {
        "period": report.period.name,
        "from": report.period.start.isoformat(),
        "to": report.period.end.isoformat(),
        "compared_with": report.before.name,
        "compared_from": report.before.start.isoformat(),
        "compared_to": report.before.end.isoformat(),
        "made_at": report.made_at.isoformat(timespec="seconds"),
        **dict(zip(MEASURES, _all(now), strict=True)),
        "before_calls": before.calls,
        "before_cost_usd": exact(before.cost),
        "change_usd": exact(now.cost - before.cost),
        "late_hours": report.late_hours,
        "late_calls": sum(one.sums.calls for one in report.late),
        "late_cost_usd": exact(sum(one.sums.cost for one in report.late)),
        "late_calls_after_period": sum(one.after_period for one in report.late),
        "late_cost_after_period_usd": exact(sum(one.after_period_cost for one in report.late)),
        "rejected_records": sum(one.records for one in report.excluded if one.outcome == "reject"),
        "duplicate_records": sum(one.records for one in report.excluded if one.outcome == "duplicate"),
        "ledger_calls": report.ledger_calls,
        "closed": "yes" if report.closing is not None else "no",
        "closed_by": report.closing.by if report.closing is not None else "",
        "closed_at": report.closing.at.isoformat(timespec="seconds") if report.closing is not None else "",
        "digest": report.closing.digest if report.closing is not None else "",
        "corrections_usd": exact(sum(one.cell.sums.cost for one in report.corrections)),
        "plans_usd": exact(sum(fee.amount for fee in report.fees)),
        "charged_usd": exact(sum(line.total for line in report.chargeback)),
    }


def as_json(report: Report, sections: Sequence[Section] = ()) -> dict[str, Any]:
    """`summary` as an object, every other table as a list of objects; money as strings."""
    result: dict[str, Any] = {}
    for table in tables(report, sections):
        if table.name == "summary":
            result["summary"] = summary(report)
        else:
            result[table.name] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return result


def write_csv(report: Report, folder: Path, sections: Sequence[Section] = ()) -> list[Path]:
    """One file a table in `folder`, which is made when it is missing. Raises `UsageError` when it cannot be written."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in tables(report, sections):
            path = folder / f"{table.name}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(table.columns)
                money = {at for at, name in enumerate(table.columns) if name.endswith("_usd")}
                if table.name == "summary":
                    money.add(1)
                writer.writerows(
                    [value if at in money else harmless(value) for at, value in enumerate(row)] for row in table.rows
                )
            written.append(path)
    except OSError as error:
        raise UsageError(f"cannot write CSV files to {folder}: {error.strerror}") from error
    return written


def harmless(value: Value) -> Value:
    """A text that a spreadsheet would run as a formula, marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


_CORRECTED = ("of_month", "counted_in", "kind", "calls", "cost_usd")


def _corrected(lines: Sequence[Corrected]) -> tuple[tuple[Value, ...], ...]:
    return tuple((c.of_month, c.counted_in, c.kind, c.calls, exact(c.cost)) for c in lines)


_FEW = ("calls", "input_tokens", "output_tokens", "unpriced_calls", "cost_usd")


def _few(sums: Sums) -> tuple[Value, ...]:
    return sums.calls, sums.input, sums.output, sums.unpriced, exact(sums.cost)


def _all(sums: Sums) -> tuple[Value, ...]:
    return (
        sums.calls, sums.input, sums.uncached, sums.cache_read, sums.cache_write,
        sums.output, sums.reasoning, sums.unpriced, sums.errors, exact(sums.cost),
    )  # fmt: skip


def _compared(groups: Mapping[Any, Pair]) -> tuple[tuple[Value, ...], ...]:
    rows: Sequence[tuple[Value, ...]] = [
        (*name, *_all(now), before.calls, exact(before.cost), exact(now.cost - before.cost))
        for name, (now, before) in groups.items()
    ]
    return tuple(rows)
