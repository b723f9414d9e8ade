"""A time series."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import common, dashboard, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.kit.columns import UNITS, heading
from dashboards.kit.target import Panel, Target, source
from streams.boards.queries import board_query


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
    signed: bool = False,
) -> Panel:
    """A time series; a `label` column names its lines, else each number column is one.

    `interval`: the shortest bucket. `colours`: of labels that mean something good or bad; others follow from the name.
    `below`: the legend goes under the chart, for narrow panels. `limit`: the label that is a dashed line over the rest.
    `signed`: values may be below zero, and the axis goes as far.
    """
    query = board_query(name)
    labels = [column.name for column in query.columns if column.unit == "label"]
    values = [column for column in query.columns if column.unit not in {"time", "label"}]
    grafana_unit, decimals = UNITS[values[0].unit]
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
        .datasource(source())
        .with_target(Target(query, series=True))
        .unit(grafana_unit)
        .interval(interval)
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
    panel = panel.axis_soft_min(0) if signed else panel.min(0)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if labels:
        panel = panel.display_name(f"${{__field.labels.{labels[0]}}}")
    else:
        for column in values:
            panel = panel.override_by_name(
                column.name, [models.DynamicConfigValue("displayName", heading(column.name))]
            )
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
