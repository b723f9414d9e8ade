"""A demo in plain lines: what happens while it runs without a terminal, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from streams.counted import counted
from streams.demo.company import NAME
from streams.demo.flagged import flag_of
from streams.demo.result import DemoResult, usd
from streams.demo.run import Stage
from streams.demo.runaways import SAYS, Runaway
from streams.top.figures import Line
from streams.top.shown import count, money

EVERY_S = 5.0
AHEAD_S = 12.0


class Teller:
    """Says what is new since it was last asked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._doing = ""
        self._said_at = -EVERY_S
        self._announced: set[Runaway] = set()
        self._flagged: set[str] = set()
        self._where = False

    def news(self) -> list[str]:
        """Lines to print now; often none."""
        stage = self._stage
        lines = []
        if stage.running is not None and not self._where:
            self._where = True
            at = stage.running
            lines.append(f"in a browser: http://{at.api}/, SQL at http://{at.clickhouse}, Kafka at {at.broker}")
        if stage.doing != self._doing:
            self._doing = stage.doing
            lines.append(f"{stage.doing} ...")
        if stage.routers is None or stage.doing != "playing":
            return lines
        for runaway in stage.runaways:
            ahead = (runaway.starts_ms - stage.routers.now_ms) / 1000 / stage.plan.speed
            if ahead <= AHEAD_S and runaway not in self._announced:
                self._announced.add(runaway)
                lines.append(f"in {max(0.0, ahead):.0f} s: {runaway.says(runaway.starts_ms - 1)}")
        elapsed = stage.routers.elapsed_s
        figures = stage.figures
        for flag in figures.flags if figures is not None else ():
            if flag.id not in self._flagged:
                self._flagged.add(flag.id)
                lines.append(f"{flag.severity}: {flag.kind.replace('_', ' ')} by {flag.agent_id}: {flag.evidence}")
        if figures is not None and figures.totals.calls and elapsed - self._said_at >= EVERY_S:
            self._said_at = elapsed
            totals = figures.totals
            now = datetime.fromtimestamp(figures.at_ms / 1000, UTC)
            rate = figures.arrivals.calls_per_s if figures.arrivals else 0.0
            lines.append(
                f"{elapsed:4.0f} s  {now:%H:%M}  {rate:,.0f} calls/s  {totals.calls:,} calls  "
                f"{count(totals.input_tokens)} in  {count(totals.output_tokens)} out  ${money(totals.cost_usd)}  "
                f"{totals.unpriced:,} unpriced  {totals.duplicates:,} duplicates  {totals.rejects:,} rejected"
            )
        return lines


def summary(result: DemoResult, kept: Path | None) -> str:
    """What came of it. `kept`: the directory, if it is still there."""
    totals = result.totals
    rate = result.published / result.seconds if result.seconds else 0.0
    lines = [
        f"{NAME}: {result.published:,} records in {result.seconds:.0f} s ({rate:,.0f}/s); the ledger holds",
        f"  calls       {totals.calls:>12,}   {totals.unpriced:,} of them unpriced",
        f"  duplicates  {totals.duplicates:>12,}   counted, not charged",
        f"  rejected    {totals.rejects:>12,}   kept with their reasons",
        f"  tokens      {count(totals.input_tokens):>12}   in, {count(totals.output_tokens)} out",
        f"  cost        {usd(totals.cost_usd)} USD",
        *_spends("by tier", result.tiers),
        *_spends("by team", result.teams),
    ]
    if result.runaways:
        spent = sum((spend.cost_usd for _, spend in result.runaways), start=totals.cost_usd * 0)
        share = f" ({spent / totals.cost_usd:.0%} of all)" if totals.cost_usd else ""
        lines.append(f"  runaways    ${money(spent)} in {counted(len(result.runaways), 'run')}{share}")
        lines += _flags(result)
    for plan in result.plans:
        paid, by_token = money(plan.total_usd), money(plan.list_usd)
        lines.append(f"  flat plan   {plan.plan}: {plan.used_share:.0%} used; costs ${paid}, by the token ${by_token}")
    for budget in result.budgets:
        if budget.spent_usd >= budget.amount_usd:
            lines.append(
                f"  budget      {budget.budget}: ${money(budget.spent_usd)} of ${money(budget.amount_usd)} spent"
            )
    delay = result.arrivals
    if delay.delay_p50_ms is not None and delay.delay_p99_ms is not None:
        lines.append(f"  to ledger   p50 {delay.delay_p50_ms / 1000:.2f} s, p99 {delay.delay_p99_ms / 1000:.2f} s")
    if result.ok:
        lines.append("audit: holds; every record published is one row of the ledger")
    else:
        lines.append(f"audit: DOES NOT HOLD; {totals.rows - totals.moved:,} rows for {result.published:,} records")
        lines += [f"  {finding.check} {finding.where}: {finding.what}" for finding in result.audit.findings]
    if kept is not None:
        played = datetime.fromtimestamp((result.to_ms - 1) / 1000, UTC)  # the last working day: perhaps of last month
        lines += [
            f"kept in {kept}; look around with",
            f"  spendstream top --embedded {kept}",
            f"  spendstream incidents --embedded {kept}",
            f"  spendstream budgets show --embedded {kept}",
            f"  spendstream plans show --month {played:%Y-%m} --embedded {kept}",
            f"  spendstream report --embedded {kept}",
            f"  spendstream sql --embedded {kept} 'SELECT agent_id, sum(cost_usd) FROM calls GROUP BY agent_id'",
        ]
    else:
        lines.append(
            "gone now; `spendstream demo --embedded spend` keeps it, to look at with top, incidents, report and sql"
        )
    return "\n".join(lines)


def _flags(result: DemoResult) -> list[str]:
    lines, about = [], set()
    for runaway, spend in result.runaways:
        flag = flag_of(runaway, result.run_ids, result.flags)
        said = "not flagged"
        if flag is not None:
            about.add(flag.id)
            kind, cost = flag.kind.replace("_", " "), money(flag.cost_before_usd)
            said = f"flagged as {kind} after {flag.calls_before:,} calls, ${cost}"
        who = f"{runaway.agent.agent_id} {SAYS[runaway.kind][2]}"
        lines.append(f"    {who}: {spend.calls:,} calls, ${money(spend.cost_usd)}; {said}")
    others = [flag for flag in result.flags if flag.id not in about]
    if others:
        lines.append(f"    {len(others)} more: " + ", ".join(f"{flag.kind} of {flag.agent_id}" for flag in others[:6]))
    return lines


def _spends(title: str, groups: Sequence[Line]) -> list[str]:
    said = ", ".join(
        f"{line.key} {'unpriced' if line.unpriced == line.calls else '$' + money(line.cost_usd)}" for line in groups
    )
    return [f"  {title:<11} {said}"]
