"""The back-test as JSON and as the table of docs/budgets.md. Pure."""

from __future__ import annotations

from typing import Any

from streams.forecast.backtest import ENOUGH, NAIVE, Report
from streams.forecast.shipped import NAME


def as_json(report: Report) -> dict[str, Any]:
    """Sets, rows and scores; see `streams.forecast.backtest` for the measures."""
    return {
        "naive": NAIVE,
        "shipped": NAME,
        "best": report.best(),
        "score": report.score(),
        "sets": report.sets,
        "rows": [
            {"set": row.set, "period": row.period, "model": row.model, **row.tally.figures()} for row in report.rows
        ],
    }


def as_table(report: Report) -> str:
    """Markdown: a line for each set and period, a column a model: error / coverage; then the scores."""
    models = list(report.score())
    cells = {(row.set, row.period, row.model): row.tally for row in report.rows}
    lines = [
        "| set | period | origins | " + " | ".join(models) + " |",
        "|---|---|---:|" + "---:|" * len(models),
    ]
    for name, period in dict.fromkeys((row.set, row.period) for row in report.rows):
        tallies = {model: cells[name, period, model] for model in models}
        least = min(tally.error for tally in tallies.values())
        shown = []
        for tally in tallies.values():
            figures = tally.figures()
            error = f"{100 * (tally.error / tally.origins):.1f}"
            if tally.error == least:
                error = f"**{error}**"
            coverage = figures["coverage"] if tally.intervals >= ENOUGH else None
            shown.append(f"{error} ({100 * coverage:.0f})" if coverage is not None else error)
        origins = next(iter(tallies.values())).origins
        few = "" if origins >= ENOUGH else "*"
        lines.append(f"| {name} | {period} | {origins}{few} | " + " | ".join(shown) + " |")
    score = report.score()
    for measure in ("error", "pinball"):
        told = [f"{score[model][measure]:.2f}" if measure in score[model] else "–" for model in models]
        best = min((score[model][measure] for model in models if measure in score[model]), default=None)
        told = [f"**{text}**" if best is not None and text == f"{best:.2f}" else text for text in told]
        lines.append(f"| *all: {measure}* | | | " + " | ".join(told) + " |")
    return "\n".join(lines)


def in_words(report: Report) -> str:
    """The table, and what is what."""
    return "\n".join(
        [
            as_table(report),
            "",
            "error of the rest of a period, % of a mean period (how often the interval of 80 % held, %)",
            f"* fewer than {ENOUGH} origins: shown, not counted. all: geometric mean over that of {NAIVE!r}.",
            f"best: {report.best()}; used: {NAME}",
        ]
    )
