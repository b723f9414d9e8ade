"""Bars, the longest first."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common, dashboard
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.kit.columns import IN_FULL, UNITS
from dashboards.kit.target import Panel, Target, source
from streams.boards.queries import board_query


def ranking(title: str, name: str, about: str) -> Panel:
    """Horizontal bars, one a row of the query: its text names the bar, its number is the length."""
    query = board_query(name)
    value = next(column for column in query.columns if column.unit != "text")
    unit, decimals = IN_FULL.get(value.unit, UNITS[value.unit])
    panel = (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(source())
        .with_target(Target(query, series=False))
        .unit(unit)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color("blue"))
        .text(common.VizTextDisplayOptions().title_size(12).value_size(18))
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .value_mode(common_models.BarGaugeValueMode.TEXT)
        .show_unfilled(True)
        .reduce_options(
            common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{value.name}$/").values(True).limit(12)
        )
    )
    return panel if decimals is None else panel.decimals(decimals)
