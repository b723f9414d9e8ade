"""The report as one HTML page: no script, no network, no font of its own. Everything from the ledger is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from streams.counted import counted
from streams.money import exact
from streams.report import charts
from streams.report.figures import Pair, Report
from streams.report.money import change, percent, short, shown
from streams.report.section import Section
from streams.report.sums import Sums

MOST_ROWS = 40
"""Rows of a table on the page; what is beyond is one row `others` there, and in full in the CSV files."""

KINDS = {"late": "calls that came late", "rerated": "prices computed again"}
"""What a correction is called."""

_HERE = Path(__file__).parent

Groups = Sequence[tuple[tuple[str, ...], Pair]]


def page(report: Report, sections: Sequence[Section] = ()) -> str:
    """The page as text, with what other parts add to it. The same report gives the same bytes."""
    late = Sums()
    for one in report.late:
        late += one.sums
    template = _environment().from_string((_HERE / "page.html.j2").read_text("utf-8"))
    return template.render(
        r=report,
        css=(_HERE / "page.css").read_text("utf-8").strip(),
        version=_version(),
        most=MOST_ROWS,
        notices=notices(report),
        charts={
            "spend": charts.daily_spend(report),
            "running": charts.cumulative_spend(report),
            "tokens": charts.daily_tokens(report),
        },
        legend=charts.legend(report),
        teams=[((team,), pair) for (_, team), pair in report.teams.items()],
        classes=_classes(report),
        late=late,
        late_after=sum(one.after_period for one in report.late),
        late_after_cost=sum(one.after_period_cost for one in report.late),
        since=sum(one.calls for one in report.came_since),
        since_cost=sum(one.cost for one in report.came_since),
        later_months=_later_months(report),
        width=_width,
        others=_others,
        sections=sections,
        kinds=KINDS,
        charged=sum(line.total for line in report.chargeback),
        changes=sum(one.cell.sums.cost for one in report.corrections),
    )


def notices(report: Report) -> list[str]:
    """What a reader must know before the figures, in plain words; most often nothing."""
    said = []
    if report.closing is not None:
        said.append(
            f"{report.period.name} was closed by {report.closing.by} on {report.closing.at:%Y-%m-%d at %H:%M} UTC. "
            "Teams, tiers, models, days and tokens are as they were then; agents, runs and what is listed after them "
            f"are as the ledger says now. Digest of the figures: {report.closing.digest}."
        )
    if report.ledger_calls and report.period.is_running(report.made_at):
        said.append(f"{report.period.name} is not over yet: the figures will grow.")
    if report.total.unpriced:
        said.append(
            f"{report.total.unpriced:,} of {report.total.calls:,} calls have no price and are in no amount: "
            "the true spend is higher."
        )
    if report.came_since:
        calls = sum(one.calls for one in report.came_since)
        cost = shown(sum(one.cost for one in report.came_since))
        verb, count = ("is", "counts as a correction") if calls == 1 else ("are", "count as corrections")
        said.append(
            f"{counted(calls, 'call')} (${cost}) came after {report.period.name} was closed and {verb} not in those "
            f"figures: {'it' if calls == 1 else 'they'} {count} in {_later_months(report)}."
        )
    after = 0 if report.closing is not None else sum(one.after_period for one in report.late)
    if after:
        cost = shown(sum(one.after_period_cost for one in report.late))
        if after == report.total.calls:
            said.append(
                f"All {after:,} calls came {report.late_hours} hours or more after the period was over, "
                "as when recorded calls are replayed."
            )
        else:
            said.append(
                f"{after:,} calls (${cost}) came {report.late_hours} hours or more after the period was over: "
                "a report made earlier showed less."
            )
    return said


def _later_months(report: Report) -> str:
    months = sorted({one.counted_in for one in report.came_since})
    return " and ".join(f"{date.fromisoformat(f'{month}-01'):%B %Y}" for month in months)


def _classes(report: Report) -> list[tuple[str, int, int]]:
    now, before = report.total, report.total_before
    return [
        ("Uncached input", now.uncached, before.uncached),
        ("Cache read", now.cache_read, before.cache_read),
        ("Cache write", now.cache_write, before.cache_write),
        ("Output", now.output, before.output),
        ("of it reasoning", now.reasoning, before.reasoning),
    ]


def _width(cost: int, groups: Groups) -> str:
    """Percent of the longest bar."""
    longest = max(now.cost for _, (now, _before) in groups)
    return f"{100 * cost / longest:.1f}" if longest else "0"


def _others(groups: Groups) -> Pair:
    """The sums of what the page does not list."""
    now, before = Sums(), Sums()
    for _, (this, that) in groups[MOST_ROWS:]:
        now, before = now + this, before + that
    return now, before


def _version() -> str:
    try:
        return version("spendstream")
    except PackageNotFoundError:
        return "(not installed)"


@cache
def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    filters: dict[str, Any] = {"exact": exact, "shown": shown, "short": short, "percent": percent, "change": change}
    environment.filters.update(filters)
    return environment
