"""The figures of an evaluation, as JSON and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from streams.detect.signal import PICO
from streams.evaluate.interval import poisson, quantile, wilson
from streams.evaluate.match import Found, Matched


@dataclass(frozen=True, slots=True)
class Size:
    """What was judged on. `agent_days`: pairs of root agent and UTC day with at least one call."""

    calls: int
    runs: int
    agent_days: int

    def __add__(self, other: Size) -> Size:
        return Size(self.calls + other.calls, self.runs + other.runs, self.agent_days + other.agent_days)


@dataclass(frozen=True, slots=True)
class KindReport:
    """One kind. Delays run from the first abnormal call to the incident, over the found; None where none was found."""

    kind: str
    labels: int
    found: int
    recall: float
    recall_95: tuple[float, float]
    precision: float | None
    false: int
    calls_p50: float | None
    calls_p90: float | None
    seconds_p50: float | None
    seconds_p90: float | None
    dollars_p50: float | None
    dollars_p90: float | None
    by_grade: dict[str, str]


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """One detector on one set (or several sets pooled)."""

    detector: str
    labels: int
    found: int
    recall: float
    recall_95: tuple[float, float]
    precision: float | None
    precision_95: tuple[float, float]
    f1: float
    false: int
    false_per_1000_agent_days: float
    false_per_1000_agent_days_95: tuple[float, float]
    false_per_1000_runs: float
    false_per_1000_runs_95: tuple[float, float]
    saved_dollars_share: float | None
    cold_recall: float | None
    second_recall: float | None
    pages_per_found: float | None
    kind_right: float | None
    storms_per_outage: float | None
    tickets: dict[str, int]
    kinds: list[KindReport]


@dataclass(slots=True)
class Judged:
    """Raw outcome of one detector; add them to pool sets."""

    matched: Matched
    size: Size
    tickets: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Judged) -> Judged:
        a, b = self.matched, other.matched
        both = Matched(
            a.labels + b.labels,
            a.false + b.false,
            a.true + b.true,
            a.storms_in_outages + b.storms_in_outages,
            a.outages + b.outages,
        )
        both.true_kinds = a.true_kinds + b.true_kinds
        return Judged(both, self.size + other.size, self.tickets + other.tickets)


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """All sets, each with all detectors; the first detector is the one that ships."""

    sets: dict[str, dict[str, DetectorReport]]
    sizes: dict[str, Size]
    rules: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "sets": {
                name: {
                    "size": asdict(self.sizes[name]),
                    "tuned_rules": self.rules.get(name, {}),
                    "detectors": {key: asdict(report) for key, report in reports.items()},
                }
                for name, reports in self.sets.items()
            }
        }


def summarise(detector: str, judged: Judged) -> DetectorReport:
    """Figures from a raw outcome."""
    matched, size = judged.matched, judged.size
    labels = matched.labels
    hits = [found for found in labels if found.alarm is not None]
    alarms = matched.true + len(matched.false)
    recall = len(hits) / len(labels) if labels else 0.0
    precision = matched.true / alarms if alarms else None
    false = len(matched.false)
    low, high = poisson(false)
    per_days, per_runs = 1000 / max(1, size.agent_days), 1000 / max(1, size.runs)
    total = sum(found.total_cost for found in labels)
    saved = sum(found.total_cost - found.delay_cost for found in hits)
    kinds = sorted({found.kind for found in labels} | {alarm.kind for alarm in matched.false})
    return DetectorReport(
        detector=detector,
        labels=len(labels),
        found=len(hits),
        recall=recall,
        recall_95=wilson(len(hits), len(labels)),
        precision=precision,
        precision_95=wilson(matched.true, alarms),
        f1=2 * precision * recall / (precision + recall) if precision and recall else 0.0,
        false=false,
        false_per_1000_agent_days=false * per_days,
        false_per_1000_agent_days_95=(low * per_days, high * per_days),
        false_per_1000_runs=false * per_runs,
        false_per_1000_runs_95=(low * per_runs, high * per_runs),
        saved_dollars_share=saved / total if total else None,
        cold_recall=_share([found for found in labels if found.cold]),
        second_recall=_share([found for found in labels if found.second]),
        pages_per_found=sum(found.pages for found in hits) / len(hits) if hits else None,
        kind_right=sum(found.alarm.kind == found.kind for found in hits if found.alarm) / len(hits) if hits else None,
        storms_per_outage=matched.storms_in_outages / matched.outages if matched.outages else None,
        tickets=dict(judged.tickets),
        kinds=[_kind(kind, matched) for kind in kinds],
    )


def _share(labels: list[Found]) -> float | None:
    return sum(found.alarm is not None for found in labels) / len(labels) if labels else None


def _kind(kind: str, matched: Matched) -> KindReport:
    labels = [found for found in matched.labels if found.kind == kind]
    hits = [found for found in labels if found.alarm is not None]
    false = sum(alarm.kind == kind for alarm in matched.false)
    true = matched.true_kinds[kind]
    calls = [float(found.delay_calls) for found in hits]
    seconds = [found.delay_ms / 1000 for found in hits]
    money = [found.delay_cost / PICO for found in hits]
    grades = sorted({found.grade for found in labels if found.grade}, key=("easy", "medium", "hard").index)
    return KindReport(
        kind=kind,
        labels=len(labels),
        found=len(hits),
        recall=len(hits) / len(labels) if labels else 0.0,
        recall_95=wilson(len(hits), len(labels)),
        precision=true / (true + false) if true + false else None,
        false=false,
        calls_p50=quantile(calls, 0.5),
        calls_p90=quantile(calls, 0.9),
        seconds_p50=quantile(seconds, 0.5),
        seconds_p90=quantile(seconds, 0.9),
        dollars_p50=quantile(money, 0.5),
        dollars_p90=quantile(money, 0.9),
        by_grade={
            grade: f"{sum(f.grade == grade for f in hits)}/{sum(f.grade == grade for f in labels)}" for grade in grades
        },
    )


def table(report: EvaluationReport) -> str:
    """The report as plain text: a table of detectors a set, then the kinds of the detector that ships."""
    lines: list[str] = []
    for name, reports in report.sets.items():
        size = report.sizes[name]
        lines += [f"{name}: {size.calls:,} calls, {size.runs:,} runs, {size.agent_days:,} agent-days", ""]
        head = ("detector", "recall", "precision", "F1", "false", "/1000 agent-days", "/1000 runs", "saved")
        rows = [head] + [
            (
                r.detector,
                _pm(r.recall, r.recall_95) if r.labels else "-",
                _pm(r.precision, r.precision_95) if r.labels else "-",
                f"{r.f1:.2f}" if r.labels else "-",
                str(r.false),
                f"{r.false_per_1000_agent_days:.1f}",
                f"{r.false_per_1000_runs:.2f} ({r.false_per_1000_runs_95[0]:.1f}-{r.false_per_1000_runs_95[1]:.1f})",
                _num(r.saved_dollars_share),
            )
            for r in reports.values()
        ]
        lines += _columns(rows)
        first = next(iter(reports.values()))
        if first.kinds:
            head2 = (
                "kind",
                "found",
                "recall",
                "precision",
                "calls p50/p90",
                "seconds p50/p90",
                "dollars p50/p90",
                "by grade",
            )
            rows2 = [head2] + [
                (
                    k.kind,
                    f"{k.found}/{k.labels}",
                    _pm(k.recall, k.recall_95) if k.labels else "-",
                    _num(k.precision),
                    f"{_num(k.calls_p50, 0)}/{_num(k.calls_p90, 0)}",
                    f"{_num(k.seconds_p50, 0)}/{_num(k.seconds_p90, 0)}",
                    f"{_num(k.dollars_p50)}/{_num(k.dollars_p90)}",
                    " ".join(f"{g} {v}" for g, v in k.by_grade.items()),
                )
                for k in first.kinds
            ]
            lines += ["", *_columns(rows2)]
        lines.append("")
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _num(value: float | None, places: int = 2) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _pm(value: float | None, interval: tuple[float, float]) -> str:
    return "-" if value is None else f"{value:.2f} ({interval[0]:.2f}-{interval[1]:.2f})"
