"""Charts as inline SVG, drawn by pygal, coloured by the page's style sheet.

What pygal adds for its own scripts (script, style, comments, tooltips) is taken out: the page runs nothing and is
readable with scripts off. A bar's exact figure is its `<title>`, which browsers show when pointed at. Bars are drawn
from rounded numbers; the exact ones are the texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pygal
from pygal.style import Style

from streams.money import PICO, exact
from streams.report.figures import Report
from streams.report.money import short
from streams.report.period import Period
from streams.report.sums import Sums, grouped

WIDE, NARROW = (980, 300), (460, 330)
"""Width and height in CSS pixels at which text is set; the narrow one is shown on phones, so text stays legible."""

MOST_DAYS = 62
"""More columns than days of two months cannot be told apart: longer periods are drawn by month."""

_LABELS = {"wide": 16, "narrow": 6}

TIERS = ("frontier", "mid", "oss", "unknown")


@dataclass(frozen=True, slots=True)
class Series:
    """One colour: its name, `colour` (a class of the style sheet), a value and the text of its bar for each column."""

    name: str
    colour: str
    values: Sequence[float | None]
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """The same chart for wide pages (paper too) and for phones: SVG markup."""

    wide: str
    narrow: str


def daily_spend(report: Report) -> Chart | None:
    """USD a day (or month), stacked by tier; None when nothing was spent."""
    if not report.total.cost:
        return None
    columns = _columns(report)
    sums = grouped(report.cells, lambda cell: (columns[cell.day], cell.tier))
    labels = list(dict.fromkeys(columns.values()))
    tiers = [*TIERS, *sorted({cell.tier for cell in report.cells} - set(TIERS))]
    series = [
        _series(tier, _tier_colour(tier), labels, [sums.get((label, tier), Sums()) for label in labels])
        for tier in tiers
        if any((label, tier) in sums for label in labels)
    ]
    return _both("spend by day and tier", pygal.StackedBar, labels, series, _dollars)


def cumulative_spend(report: Report) -> Chart | None:
    """USD since the first day, beside the period before; None when both are empty."""
    if not report.total.cost and not report.total_before.cost:
        return None
    now = _running(report.period, {day: sums.cost for day, sums in report.by_day.items()})
    if report.period.is_running(report.made_at):
        now = now[: max(1, (report.made_at.date() - report.period.start.date()).days + 1)]
    costs = {day: sums.cost for day, sums in grouped(report.cells_before, lambda cell: cell.day).items()}
    before = _running(report.before, costs)
    length = max(len(report.period.days), len(before))
    labels = [str(at + 1) for at in range(length)]
    series = []
    for name, colour, values in (
        (report.period.name, "now", now),
        (report.before.name, "before", before),
    ):
        padded: list[int | None] = [*values, *[None] * (length - len(values))]
        series.append(Series(name, colour, [None if v is None else v / PICO for v in padded]))
    return _both("spend so far, day by day, beside the period before", pygal.Line, labels, series, _dollars)


def daily_tokens(report: Report) -> Chart | None:
    """Tokens a day (or month), stacked by class; None when there are none."""
    if not report.total.tokens:
        return None
    columns = _columns(report)
    sums = grouped(report.cells, lambda cell: columns[cell.day])
    labels = list(dict.fromkeys(columns.values()))
    classes: Sequence[tuple[str, str, Callable[[Sums], int]]] = (
        ("uncached input", "uncached", lambda one: one.uncached),
        ("cache read", "read", lambda one: one.cache_read),
        ("cache write", "write", lambda one: one.cache_write),
        ("output", "output", lambda one: one.output),
    )
    series = []
    for name, colour, of in classes:
        counts = [of(sums.get(label, Sums())) for label in labels]
        if any(counts):
            texts = [f"{label}, {name}: {count:,} tokens" for label, count in zip(labels, counts, strict=True)]
            series.append(Series(name, colour, counts, texts))
    return _both("tokens by day and class", pygal.StackedBar, labels, series, lambda value: short(round(value)))


def _columns(report: Report) -> Mapping[str, str]:
    """Each day's column: the day itself, or its month when there are too many days."""
    days = [day.isoformat() for day in report.period.days]
    return {day: day if len(days) <= MOST_DAYS else day[:7] for day in days}


def _series(name: str, colour: str, labels: Sequence[str], sums: Sequence[Sums]) -> Series:
    texts = [
        f"{label}, {name}: {exact(one.cost)} USD, {one.calls:,} calls" for label, one in zip(labels, sums, strict=True)
    ]
    return Series(name, colour, [one.cost / PICO for one in sums], texts)


def _running(period: Period, costs: Mapping[str, int]) -> list[int]:
    sums, so_far = [], 0
    for day in period.days:
        so_far += costs.get(day.isoformat(), 0)
        sums.append(so_far)
    return sums


def _tier_colour(tier: str) -> str:
    return tier if tier in TIERS else "unknown"


def _dollars(value: float) -> str:
    if value >= 1000:
        return f"${value / 1000:,.1f}k".replace(".0k", "k")
    return f"${value:,.0f}" if value == int(value) else f"${value:,.2f}"


def _both(
    about: str, kind: Any, labels: Sequence[str], series: Sequence[Series], axis: Callable[[float], str]
) -> Chart:
    return Chart(
        _svg(about, kind, "wide", WIDE, labels, series, axis),
        _svg(about, kind, "narrow", NARROW, labels, series, axis),
    )


def _svg(
    about: str,
    kind: Any,
    name: str,
    size: tuple[int, int],
    labels: Sequence[str],
    series: Sequence[Series],
    axis: Callable[[float], str],
) -> str:
    every = max(1, -(-len(labels) // _LABELS[name]))
    shown = [_short_day(label) for label in labels]
    options: dict[str, Any] = {"dots_size": 2.5} if kind is pygal.Line else {}
    chart = kind(
        width=size[0],
        height=size[1],
        js=[],
        css=[],
        # Text sizes set the room that pygal leaves for it; its colours do not come through (see the module).
        style=Style(label_font_size=13, major_label_font_size=13, legend_font_size=13, font_family="sans-serif"),
        disable_xml_declaration=True,
        show_legend=False,
        truncate_label=-1,
        value_formatter=axis,
        margin=4,
        spacing=6,
        show_y_guides=True,
        max_scale=5,
        min_scale=3,
        **options,
    )
    chart.uuid = name
    chart.x_labels = shown
    chart.x_labels_major = shown[::every]
    chart.show_minor_x_labels = False
    for one in series:
        chart.add(one.name, list(one.values))
    chart.add_xml_filter(lambda root: _plain(root, about, series))
    return str(chart.render(is_unicode=True))


def _short_day(label: str) -> str:
    """`2026-01-05` as `01-05`; a month and a plain number stay."""
    return label[5:] if len(label) == 10 else label


def _plain(root: Element, about: str, series: Sequence[Series]) -> Element:
    """Only shapes and texts, classes instead of colours, and each bar's text as its `<title>`."""
    root.attrib.pop("id", None)
    root.set("role", "img")
    root.set("aria-label", about)
    for parent in list(root.iter()):
        for child in list(parent):
            classes = str(child.get("class", ""))
            if _tag(child) in {"comment", "defs", "script", "style", "title"} or "overlay" in classes:
                parent.remove(child)
    for group in list(root.iter()):
        found = re.search(r"serie-(\d+)", str(group.get("class", "")))
        if found is not None:
            one = series[int(found.group(1))]
            group.set("class", f"c-{one.colour}")
            _title_bars(group, one)
    for parent in list(root.iter()):
        for child in list(parent):
            if _tag(child) == "desc":
                parent.remove(child)
    return root


def _title_bars(group: Element, series: Series) -> None:
    """Bars stand in the order of their values; those of nothing are taken out."""
    for bars in group:
        if str(bars.get("class", "")) != "bars":
            continue
        for bar, value, text in zip(list(bars), series.values, series.texts, strict=True):
            if value:
                SubElement(bar, "title").text = text
            else:
                bars.remove(bar)


def _tag(element: Element) -> str:
    """Without the namespace; a comment's tag is a function."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "comment"


def legend(report: Report) -> list[tuple[str, str, Sums]]:
    """Of `daily_spend`: (tier, colour class, sums), what costs most first."""
    return [(tier, _tier_colour(tier), sums) for tier, sums in grouped(report.cells, lambda cell: cell.tier).items()]
