"""One figure."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard, stat
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.kit.colours import PLAIN, Steps, thresholds
from dashboards.kit.columns import IN_FULL, UNITS
from dashboards.kit.target import Panel, Target, source
from streams.boards.queries import board_query


def number(
    title: str, name: str, field: str, about: str, *, steps: Steps = PLAIN, empty: str = "no calls", size: int = 38
) -> Panel:
    """One figure of a query's only row. `empty`: what stands there without one. `size`: of the text, in pixels."""
    query = board_query(name)
    unit, decimals = IN_FULL.get(query.unit(field), UNITS[query.unit(field)])
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(source())
        .with_target(Target(query, series=False))
        .unit(unit)
        .no_value(empty)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds(steps))
        .text(common.VizTextDisplayOptions().value_size(size))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{field}$/").values(False))
    )
    return panel if decimals is None else panel.decimals(decimals)
