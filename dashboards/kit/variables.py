"""What can be chosen on a board: teams, agents, tiers, models; a run or an incident that is typed."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.kit.target import PLUGIN_VERSION, source
from streams.boards.queries import board_query

Variable = cogbuilder.Builder[models.VariableModel]


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
        .datasource(source())
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
