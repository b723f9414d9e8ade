"""A table, and where its cells lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.kit.colours import PLAIN, Steps, thresholds
from dashboards.kit.columns import EXACT, UNITS, WIDTHS, heading
from dashboards.kit.target import Panel, Target, source
from streams.boards.queries import board_query


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
        .datasource(source())
        .with_target(Target(query, series=False))
        .unit("string")
        .no_value("")
        .filterable(True)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds(PLAIN))
        .show_header(True)
        .cell_height(common_models.TableCellHeight.SM)
    )
    for column in query.columns:
        unit, decimals = EXACT.get(column.unit, UNITS[column.unit])
        properties: list[tuple[str, object]] = [("displayName", heading(column.name)), ("unit", unit)]
        if decimals is not None:
            properties.append(("decimals", decimals))
        if links and column.name in links:
            link = links[column.name]
            properties.append(("links", [{"title": link.title, "url": link.url(), "targetBlank": False}]))
        if colours and column.name in colours:
            steps = [{"value": value, "color": color} for value, color in colours[column.name]]
            properties.append(("thresholds", {"mode": "absolute", "steps": steps}))
            properties.append(("custom.cellOptions", {"type": "color-text"}))
        width = {**WIDTHS, **(widths or {})}.get(column.name if widths and column.name in widths else column.unit)
        if width is not None:
            properties.append(("custom.width", width))
        panel = panel.override_by_name(
            column.name, [models.DynamicConfigValue(key, value) for key, value in properties]
        )
    return panel
