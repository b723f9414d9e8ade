"""A board around its panels: time range, links to its sisters, annotations, and every panel in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.kit.target import PLUGIN, Panel
from dashboards.kit.variables import Variable

TAG: Final = "spendstream"


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
