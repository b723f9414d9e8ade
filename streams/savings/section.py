"""The savings estimate as a section of the report (`streams.report.section`). Pure; everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from streams.money import exact
from streams.report.money import shown
from streams.report.section import Section, Table
from streams.savings.estimate import Range
from streams.savings.result import Savings, mix_spend


def savings_section(savings: Savings) -> Section:
    """Mix, evidence, range, the four questions and the recommendation; its tables are those of the page, in full."""
    known, days = savings.known, savings.span.as_json()
    told = savings.recommendation
    parts = [
        Markup("<p>From {} to {}: {:,} calls, {} USD. Recommendation: <b>{}</b>. {}</p>").format(
            days["from"], days["to"], known.calls, shown(known.cost), told.kind, told.why
        )
    ]
    parts += [Markup("<p>{}</p>").format(one.in_words()) for one in savings.break_even]
    if told.conditions:
        parts += [Markup("<p>First:</p>"), _list(told.conditions)]
    parts.append(
        _table(
            "savings-questions", ("Question", "Answer", "Why"), 0,
            [(one.question, one.answer, one.why) for one in savings.questions],
        )
    )  # fmt: skip
    mix = savings.as_json()["mix"]
    parts.append(
        _table(
            "savings-mix", ("Task class", "Tier", "Calls", "Share of calls", "Spend, USD"), 3,
            [
                (line["task_class"] or "(none)", line["tier"], f"{line['calls']:,}", f"{line['call_share']:.1%}",
                 mix_spend(line))
                for line in mix
            ],
        )
    )  # fmt: skip
    parts.append(_said(savings))
    parts.append(
        _table(
            "savings-evidence", ("Task class", "From", "To", "Answer", "Judged runs", "Difference of success"), 2,
            [
                (pair.task_class or "(none)", pair.present, pair.other, pair.state,
                 f"{pair.runs_present.of:,} and {pair.runs_other.of:,}",
                 "–" if pair.difference is None else
                 f"{pair.difference.estimate:+.1%} ({pair.difference.low:+.1%} to {pair.difference.high:+.1%})")
                for pair in savings.pairs
            ],
        )
    )  # fmt: skip
    if savings.moves:
        parts.append(
            _table(
                "savings-moves", ("Task class", "From", "To", "Calls", "Spend now, USD", "Saves, USD"), 3,
                [
                    (move.pair.task_class or "(none)", move.pair.present, move.pair.other, f"{move.calls:,}",
                     shown(move.cost), _between(move.saving))
                    for move in savings.moves
                ],
            )
        )  # fmt: skip
    parts += [Markup('<p class="note">Assumptions:</p>'), _list(savings.assumptions)]
    return Section("savings", "Savings: what could go to a cheaper tier", Markup("\n").join(parts), _tables(savings))


def _said(savings: Savings) -> Markup:
    if not savings.moves:
        return Markup(
            "<p>No move to a cheaper tier is supported by the evidence there is; no saving is claimed. "
            "The table says what was compared.</p>"
        )
    total, month = savings.saving, savings.for_30_days
    return Markup("<p>What the evidence supports would save {} to {} USD, {} to {} USD for 30 such days.</p>").format(
        shown(total.low), shown(total.high), shown(month.low), shown(month.high)
    )


def _table(id: str, heads: Sequence[str], numbers: int, rows: Sequence[Sequence[str]]) -> Markup:
    """The last `numbers` columns are numbers."""

    def row(cells: Sequence[str], tag: str) -> Markup:
        kinds = [' class="n"' if at >= len(heads) - numbers else "" for at in range(len(heads))]
        return Markup("").join(
            Markup(f"<{tag}{kind}>{{}}</{tag}>").format(cell) for cell, kind in zip(cells, kinds, strict=True)
        )

    body = Markup("\n").join(Markup("<tr>{}</tr>").format(row(cells, "td")) for cells in rows)
    return Markup('<table id="{}">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>').format(
        id, row(heads, "th"), body
    )


def _list(texts: Sequence[str]) -> Markup:
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in texts)
    return Markup('<ul class="note">{}</ul>').format(items)


def _between(found: Range | None) -> str:
    return "unknown" if found is None else f"{shown(found.low)} to {shown(found.high)}"


def _tables(savings: Savings) -> tuple[Table, ...]:
    def end(found: Range | None, high: bool) -> str:
        return "" if found is None else exact(found.high if high else found.low)

    return (
        Table(
            "savings_moves",
            ("task_class", "from_tier", "to_tier", "calls", "cost_usd", "saving_low_usd", "saving_high_usd"),
            tuple(
                (move.pair.task_class, move.pair.present, move.pair.other, move.calls, exact(move.cost),
                 end(move.saving, False), end(move.saving, True))
                for move in savings.moves
            ),
        ),
        Table(
            "savings_evidence",
            ("task_class", "from_tier", "to_tier", "state", "runs_from", "successes_from", "runs_to", "successes_to",
             "difference", "low", "high"),
            tuple(
                (pair.task_class, pair.present, pair.other, pair.state, pair.runs_present.of, pair.runs_present.hits,
                 pair.runs_other.of, pair.runs_other.hits,
                 *(("", "", "") if pair.difference is None else
                   (f"{pair.difference.estimate:.6f}", f"{pair.difference.low:.6f}", f"{pair.difference.high:.6f}")))
                for pair in savings.pairs
            ),
        ),
        Table(
            "savings_questions",
            ("question", "answer", "why"),
            tuple((one.question, one.answer, one.why) for one in savings.questions),
        ),
    )  # fmt: skip
