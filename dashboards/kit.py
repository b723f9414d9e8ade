"""Panels from named queries. What a column is (USD, tokens, share, ...) is said once, in the query's file; unit,
decimals and colour follow from it here, so that tokens cannot be drawn as dollars.

Contract: a panel's `about` says what to do when the panel looks wrong. Ids are given by place on the board, positions
by `place`: rows of a 24-column grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from streams.boards.queries import BoardQuery, board_query

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.20.0"
TAG: Final = "spendstream"

Panel = cogbuilder.Builder[models.Panel]
Variable = cogbuilder.Builder[models.VariableModel]
Steps = Sequence[tuple[float | None, str]]
"""(from this value on, colour); the first one has None."""

_UNITS: Final[Mapping[str, tuple[str, int | None]]] = {
    "time": ("dateTimeAsIso", None),
    "text": ("string", None),
    "USD": ("currencyUSD", 2),
    "USD/call": ("currencyUSD", 5),
    "USD/1k": ("currencyUSD", 5),
    "tokens": ("short", None),
    "calls": ("locale", 0),
    "rows": ("locale", 0),
    "count": ("none", 0),
    "share": ("percentunit", 1),
    "change": ("percentunit", 1),
    "seconds": ("s", None),
    "ms": ("ms", 0),
}
"""Grafana's unit and decimals. `currencyUSD` shortens thousands ($1.2K): good on an axis, wrong for a sum."""

_EXACT: Final = {
    "USD": ("prefix:$", 2),
    "USD/call": ("prefix:$", 5),
    "USD/1k": ("prefix:$", 5),
    "tokens": ("locale", 0),
}

_IN_FULL: Final = {"USD": _EXACT["USD"]}

_WIDTHS: Final = {
    "time": 175,
    "USD": 110,
    "USD/call": 100,
    "USD/1k": 155,
    "tokens": 125,
    "calls": 95,
    "rows": 95,
    "count": 95,
    "share": 90,
    "change": 90,
    "seconds": 95,
    "ms": 95,
}
"""Pixels of a table's column; texts share what is left."""

GROWTH: Final[Steps] = ((None, "text"), (0.25, "orange"), (0.5, "red"))
FAILURES: Final[Steps] = ((None, "text"), (0.05, "orange"), (0.15, "red"))
USED: Final[Steps] = ((None, "text"), (0.8, "orange"), (1, "red"))
"""Of a budget or a capacity."""
MUST_BE_ZERO: Final[Steps] = ((None, "green"), (1, "red"))
OUTCOMES: Final = {"call": "blue", "duplicate": "orange", "reject": "red", "moved": "purple"}
STATUSES: Final = {
    "error": "red",
    "timeout": "dark-red",
    "rate_limited": "orange",
    "denied": "purple",
    "cancelled": "text",
}
DECISIONS: Final = {"allow": "green", "deny": "red", "escalate": "orange"}
PLAIN: Final[Steps] = ((None, "text"),)


class ClickHouseQuery(variants.Dataquery):
    """A target of the ClickHouse plugin; the SDK has no type for it."""

    def __init__(self, query: BoardQuery, *, series: bool) -> None:
        self.query = query
        self.series = series

    def to_json(self) -> dict[str, object]:
        """What the plugin reads."""
        return {
            "refId": "A",
            "datasource": {"type": PLUGIN, "uid": "${datasource}"},
            "editorType": "sql",
            "rawSql": self.query.sql,
            "queryType": "timeseries" if self.series else "table",
            "format": 0 if self.series else 1,
            "pluginVersion": PLUGIN_VERSION,
            "meta": {"query": self.query.name},
        }


class _Target(cogbuilder.Builder[variants.Dataquery]):
    def __init__(self, query: BoardQuery, *, series: bool) -> None:
        self._query = ClickHouseQuery(query, series=series)

    def build(self) -> variants.Dataquery:
        return self._query


@dataclass(frozen=True, slots=True)
class Link:
    """From a table's cell to another board, with the time range; `keep`: variables that go along as they are."""

    uid: str
    title: str
    variable: str
    column: str
    keep: tuple[str, ...] = ("datasource",)

    def url(self) -> str:
        """The link as Grafana takes it."""
        kept = "&".join(f"${{{name}:queryparam}}" for name in self.keep)
        value = f"${{__data.fields.{self.column}:percentencode}}"
        return f"/d/{self.uid}?${{__url_time_range}}&{kept}&var-{self.variable}={value}"


TO_AGENT: Final = Link("spendstream-team", "Agent ${__value.text}", "agent", "agent")
TO_RUN: Final = Link("spendstream-audit", "Every call of ${__value.text}", "run", "run")


def _source() -> common_models.DataSourceRef:
    return common_models.DataSourceRef(type_val=PLUGIN, uid="${datasource}")


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def _named(column: str) -> str:
    """A column's heading."""
    if column == "seconds":
        return "Lasted"  # Grafana writes it as minutes or hours
    if column[:1] == "p" and column[1:].isdigit():
        return column
    return column.replace("_", " ").replace("cost per 1k", "cost per 1k tokens").capitalize()


def number(
    title: str, name: str, field: str, about: str, *, steps: Steps = PLAIN, empty: str = "no calls", size: int = 38
) -> Panel:
    """One figure of a query's only row. `empty`: what stands there without one. `size`: of the text, in pixels."""
    query = board_query(name)
    unit, decimals = _IN_FULL.get(query.unit(field), _UNITS[query.unit(field)])
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(_source())
        .with_target(_Target(query, series=False))
        .unit(unit)
        .no_value(empty)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(steps))
        .text(common.VizTextDisplayOptions().value_size(size))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{field}$/").values(False))
    )
    return panel if decimals is None else panel.decimals(decimals)


def series(
    title: str,
    name: str,
    about: str,
    *,
    stacked: bool = False,
    bars: bool = False,
    below: bool = False,
    interval: str = "1h",
    colours: Mapping[str, str] | None = None,
    limit: str = "",
) -> Panel:
    """A time series; a `label` column names its lines, else each number column is one.

    `interval`: the shortest bucket. `colours`: of labels that mean something good or bad; others follow from the name.
    `below`: the legend goes under the chart, for narrow panels. `limit`: the label that is a dashed line over the rest.
    """
    query = board_query(name)
    labels = [column.name for column in query.columns if column.unit == "label"]
    values = [column for column in query.columns if column.unit not in {"time", "label"}]
    grafana_unit, decimals = _UNITS[values[0].unit]
    legend = common.VizLegendOptions().show_legend(True)
    if below:
        legend = legend.display_mode(common_models.LegendDisplayMode.LIST)
        legend = legend.placement(common_models.LegendPlacement.BOTTOM)
    else:
        legend = legend.display_mode(common_models.LegendDisplayMode.TABLE)
        legend = legend.placement(common_models.LegendPlacement.RIGHT)
        legend = legend.calcs(["sum"] if stacked else ["lastNotNull", "max"])
    if {"team", "agent"} & set(labels):
        legend = legend.width(240)  # a long name must not push the chart away
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(_source())
        .with_target(_Target(query, series=True))
        .unit(grafana_unit)
        .interval(interval)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .draw_style(common_models.GraphDrawStyle.BARS if bars else common_models.GraphDrawStyle.LINE)
        .fill_opacity(75 if bars else 30 if stacked else 8)
        .line_width(0 if bars else 2 if not stacked else 1)
        .show_points(common_models.VisibilityMode.AUTO if not bars else common_models.VisibilityMode.NEVER)
        .legend(legend)
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if labels:
        panel = panel.display_name(f"${{__field.labels.{labels[0]}}}")
    else:
        for column in values:
            panel = panel.override_by_name(column.name, [models.DynamicConfigValue("displayName", _named(column.name))])
    for label, colour in (colours or {}).items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        # Before it gets its name, a line is called after its column and its label.
        panel = panel.override_by_regexp(f"/(^|\\b){label}$/", [models.DynamicConfigValue("color", fixed)])
    if limit:
        line = {
            "color": {"mode": "fixed", "fixedColor": "text"},
            "custom.drawStyle": "line",
            "custom.lineWidth": 2,
            "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
            "custom.fillOpacity": 0,
            "custom.stacking": {"mode": "none", "group": "limit"},
        }
        panel = panel.override_by_regexp(
            f"/(^|\\b){limit}$/", [models.DynamicConfigValue(key, value) for key, value in line.items()]
        )
    return panel if decimals is None else panel.decimals(decimals)


def listing(
    title: str,
    name: str,
    about: str,
    *,
    links: Mapping[str, Link] | None = None,
    colours: Mapping[str, Steps] | None = None,
    widths: Mapping[str, int] | None = None,
) -> Panel:
    """A table: each column with its own unit; money in full, to the cent."""
    query = board_query(name)
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(_source())
        .with_target(_Target(query, series=False))
        .unit("string")
        .no_value("")
        .filterable(True)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(PLAIN))
        .show_header(True)
        .cell_height(common_models.TableCellHeight.SM)
    )
    for column in query.columns:
        unit, decimals = _EXACT.get(column.unit, _UNITS[column.unit])
        properties: list[tuple[str, object]] = [("displayName", _named(column.name)), ("unit", unit)]
        if decimals is not None:
            properties.append(("decimals", decimals))
        if links and column.name in links:
            link = links[column.name]
            properties.append(("links", [{"title": link.title, "url": link.url(), "targetBlank": False}]))
        if colours and column.name in colours:
            steps = [{"value": value, "color": color} for value, color in colours[column.name]]
            properties.append(("thresholds", {"mode": "absolute", "steps": steps}))
            properties.append(("custom.cellOptions", {"type": "color-text"}))
        width = {**_WIDTHS, **(widths or {})}.get(column.name if widths and column.name in widths else column.unit)
        if width is not None:
            properties.append(("custom.width", width))
        panel = panel.override_by_name(
            column.name, [models.DynamicConfigValue(key, value) for key, value in properties]
        )
    return panel


def ranking(title: str, name: str, about: str) -> Panel:
    """Horizontal bars, one a row of the query: its text names the bar, its number is the length."""
    query = board_query(name)
    value = next(column for column in query.columns if column.unit != "text")
    unit, decimals = _IN_FULL.get(value.unit, _UNITS[value.unit])
    panel = (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(_source())
        .with_target(_Target(query, series=False))
        .unit(unit)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color("blue"))
        .text(common.VizTextDisplayOptions().title_size(14).value_size(18))
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .value_mode(common_models.BarGaugeValueMode.TEXT)
        .show_unfilled(True)
        .reduce_options(
            common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{value.name}$/").values(True).limit(12)
        )
    )
    return panel if decimals is None else panel.decimals(decimals)


# -- boards ------------------------------------------------------------------------------------------------------


def board(
    uid: str, title: str, about: str, *, since: str, refresh: str, variables: Sequence[Variable] = ()
) -> dashboard.Dashboard:
    """An empty board in UTC that links to its sisters with time range and variables."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG])
        .timezone("utc")
        .time(since, "now")
        .refresh(refresh)
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Spendstream")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(False)
            .keep_time(True)
            .include_vars(True)
            .icon("external link")
            .tooltip("")
            .url("")
            .target_blank(False)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type(PLUGIN))
        .annotation(_marks("Incidents", "red", ["spendstream", "incident"], any_of=False))
        .annotation(_marks("Changes and deployments", "blue", list(CHANGES), any_of=True))
    )
    for variable in variables:
        made = made.with_variable(variable)
    return made


CHANGES: Final = (
    "deployment",
    "routing",
    "price change",
    "budget change",
    "plan change",
    "tier change",
    "policy change",
)
"""Tags of what workers and `spendstream dashboards annotate` write beside incidents (`streams.boards.annotate`)."""


def _marks(name: str, colour: str, tags: list[str], *, any_of: bool) -> dashboard.AnnotationQuery:
    """Annotations that stand in Grafana itself, chosen by their tags."""
    target: Any = dashboard.AnnotationTarget().limit(200).match_any(any_of).tags(tags).type("tags")
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(common_models.DataSourceRef(type_val="datasource", uid="grafana"))
        .enable(True)
        .icon_color(colour)
        .target(target)
    )


def choices(*names: str) -> list[Variable]:
    """Variables of team, agent, tier, model."""
    return [_choice(name) for name in names]


def _choice(name: str) -> dashboard.QueryVariable:
    """A variable of several values, everything by default; values that are not offered can be typed."""
    query: dict[str, Any] = {
        "rawSql": board_query(f"choice_{name}").sql,
        "editorType": "sql",
        "format": 1,
        "queryType": "table",
        "pluginVersion": PLUGIN_VERSION,
        "refId": f"choice-{name}",
    }
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(_source())
        .query(query)
        .definition(f"choice_{name}")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .allow_custom_value(True)
        .sort(models.VariableSort.DISABLED)
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def typed(name: str, label: str, about: str) -> dashboard.TextBoxVariable:
    """A variable that is typed, or comes with a link; empty for everything."""
    return (
        dashboard.TextBoxVariable(name)
        .label(label)
        .description(about)
        .default_value("")
        .current(models.VariableOption(selected=True, text="", value=""))
    )


def place(to: dashboard.Dashboard, rows: Sequence[tuple[str, int, Sequence[tuple[int, Panel]]]]) -> dashboard.Dashboard:
    """Put panels on the board: (heading, height, [(width, panel), ...]); widths of a row of panels add up to 24."""
    top, number_ = 0, 0
    for heading, height, panels in rows:
        if heading:
            number_ += 1
            to = to.with_row(
                dashboard.Row(heading).id(number_).grid_pos(models.GridPos(x=0, y=top, w=24, h=1)).collapsed(False)
            )
            top += 1
        left = 0
        for width, panel in panels:
            number_ += 1
            built: Any = panel
            to = to.with_panel(built.id(number_).grid_pos(models.GridPos(x=left, y=top, w=width, h=height)))
            left += width
        if left != 24:
            raise ValueError(f"a row of panels is {left} wide, not 24")
        top += height
    return to
