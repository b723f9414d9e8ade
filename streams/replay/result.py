"""What a replay reports, read back from the ledger: never from what the replay itself believes it has sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.ledger.sqlfiles import named_query
from streams.replay.publish import Range
from streams.replay.watch import At, Reader


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Rows that a replay's records made, by outcome."""

    new: int
    duplicates: int
    rejected: int
    moved: int
    """Calls that came in another partition than their run's and were sent on; each is also counted where it arrived."""
    reasons: Mapping[str, int]
    others: int
    """Records of other publishers in the same stretch of the log; their outcomes are in the figures as well."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole ledger. `cost_usd`: exact decimal string, USD."""

    ledger_rows: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd: str


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """One replay. `seconds`: from the first line read until the last call was in the ledger."""

    files: int
    published: int
    refused: int
    """Lines that the broker did not take for their size."""
    outcomes: Outcomes
    totals: Totals
    seconds: float
    incidents: list[dict[str, Any]] = field(default_factory=list)
    """Those that the replay's calls opened, as `recheck` tells them."""
    watched: bool = True
    """The watcher has looked at all calls; else `incidents` may lack some."""

    def as_json(self) -> dict[str, Any]:
        """JSON's own types; money as a decimal string."""
        return {
            "published": self.published,
            "duplicates": self.outcomes.duplicates,
            "rejected": self.outcomes.rejected,
            "ledger_rows": self.totals.ledger_rows,
            "unpriced": self.totals.unpriced,
            "input_tokens": self.totals.input_tokens,
            "output_tokens": self.totals.output_tokens,
            "cost_usd": self.totals.cost_usd,
            "incidents": self.incidents,
            "watched": self.watched,
            "seconds": round(self.seconds, 3),
            "calls_per_second": round(self.published / self.seconds, 1) if self.seconds else 0.0,
            "files": self.files,
            "new": self.outcomes.new,
            "moved": self.outcomes.moved,
            "rejected_by_reason": dict(self.outcomes.reasons),
            "refused_by_broker": self.refused,
            "records_of_others": self.outcomes.others,
        }


def read_outcomes(reader: Reader, ranges: Mapping[int, Range], positions: Mapping[int, At], published: int) -> Outcomes:
    """Count the rows at the replay's positions."""
    rows: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    records = 0
    for partition, range_ in sorted(ranges.items()):
        place = {
            "partition": partition,
            "incarnation": positions[partition].incarnation,
            "first": range_.first,
            "end": range_.end,
        }
        records += range_.end - range_.first
        for outcome, reason, count, _ in reader.rows(named_query("outcomes_in_range"), place):
            rows[str(outcome)] += int(count)
            if outcome == "reject":
                reasons[str(reason)] += int(count)
    return Outcomes(
        new=rows["call"],
        duplicates=rows["duplicate"],
        rejected=rows["reject"],
        moved=rows["moved"],
        reasons=dict(reasons.most_common()),
        others=max(0, records - published - rows["moved"]),
    )


def read_totals(reader: Reader) -> Totals:
    """Sum up the whole ledger."""
    [[calls, unpriced, input_tokens, output_tokens, cost]] = reader.rows(named_query("ledger_totals"))
    return Totals(int(calls), int(unpriced), int(input_tokens), int(output_tokens), str(cost))
