"""Alert rules, from the same named queries as the boards.

A rule's query gives texts and exactly one number a row; each row alerts for itself. It fires above `above` and is
over again only below `below`: what hovers about one line does not ring all night. Macros of the browser (variables,
conditionalAll) do not work here. Text uses `{{ .Labels.x }}`: a dollar sign in a provisioning file would be read as
an environment variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dashboards.kit import PLUGIN, PLUGIN_VERSION
from streams.boards.queries import board_query

FOLDER: Final = "Spendstream"
DATASOURCE_UID: Final = "spendstream"
"""Alerts cannot use a variable: the data source must have this uid (`provisioning/datasources/`)."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule. Times in seconds; `above` and `below` in the unit of the query's number."""

    uid: str
    title: str
    group: str
    query: str
    above: float
    below: float
    looks_back: int
    holds_for: int
    no_data: str
    severity: str
    summary: str
    description: str
    board: str

    def __post_init__(self) -> None:
        if self.below > self.above:
            raise ValueError(f"{self.uid}: {self.below} is above {self.above}, so it could never stay quiet")


RULES: Final = (
    AlertRule(
        uid="spendstream-unpriced",
        title="Calls without a price",
        group="spend",
        query="alert_unpriced",
        above=0.5,  # calls are counted whole: this is `more than 0`
        below=0.5,
        looks_back=2 * 3600,
        holds_for=0,
        no_data="OK",  # the query lists models with unpriced calls: no row is good news
        severity="warning",
        summary="{{ .Labels.model }} ({{ .Labels.provider }}) has calls without a price",
        description="{{ .Values.A.Value }} calls in two hours are in no sum of spend. Add a price to the override"
        " file (docs/prices.md), or have the router name the provider.",
        board="spendstream-health",
    ),
    AlertRule(
        uid="spendstream-spend-per-hour",
        title="A team spends much in an hour",
        group="spend",
        query="alert_spend",
        above=100,
        below=80,
        looks_back=2 * 3600,
        holds_for=0,
        no_data="OK",
        severity="warning",
        summary="Team {{ .Labels.team }} spends more than usual in an hour",
        description="{{ .Values.A.Value }} USD in the dearer of the last two hours. Open the team's board: its agents"
        " are sorted by cost. The line, 100 USD, is for you to set (docs/boards.md).",
        board="spendstream-team",
    ),
    AlertRule(
        uid="spendstream-budget",
        title="A budget is nearly spent",
        group="spend",
        query="alert_budgets",
        above=0.9,
        below=0.8,  # a rating or a plan may take spend back; what hovers about the line does not ring all night
        looks_back=3600,
        holds_for=0,
        no_data="OK",
        severity="warning",
        summary="Budget {{ .Labels.budget }} {{ .Labels.value }} is nearly spent",
        description="{{ .Values.A.Value }} of the amount is used (1 is all of it; {{ .Labels.kind }}). The board has"
        " the forecast and the day on which it is exhausted.",
        board="spendstream-budgets",
    ),
    AlertRule(
        uid="spendstream-runaway",
        title="An agent runs away",
        group="runaways",
        query="alert_incidents",
        above=-1,  # a row for each open runaway that pages: its being there is the alert, the number is its cost
        below=-1,
        looks_back=3600,
        holds_for=0,
        no_data="OK",
        severity="critical",
        summary="{{ .Labels.agent }} runs away: {{ .Labels.kind }}",
        description="{{ .Values.A.Value }} USD since its first abnormal call (team {{ .Labels.team }}, run"
        " {{ .Labels.run }}). The board has the evidence and the run's calls; docs/oncall.md says what to do.",
        board="spendstream-runaways",
    ),
    AlertRule(
        uid="spendstream-stale",
        title="The ledger is not written to",
        group="pipeline",
        query="alert_stale",
        above=900,
        below=120,
        looks_back=3600,
        holds_for=120,
        no_data="Alerting",
        severity="critical",
        summary="Nothing was written to the ledger for {{ .Values.A.Value }} seconds",
        description="Workers are down, Kafka or ClickHouse is away, or nothing is published. Ask a worker's /health;"
        " what was published meanwhile waits in Kafka and is not lost. Where nights are silent, raise the"
        " line (docs/boards.md).",
        board="spendstream-health",
    ),
    AlertRule(
        uid="spendstream-rejects",
        title="Many calls are refused",
        group="pipeline",
        query="alert_rejects",
        above=0.01,
        below=0.005,
        looks_back=3600,
        holds_for=300,
        no_data="OK",
        severity="warning",
        summary="More than one call in a hundred is refused",
        description="{{ .Values.A.Value }} of what arrived breaks the contract and is in no sum. Pipeline health"
        " names the reasons and shows what was sent; mend the sender.",
        board="spendstream-health",
    ),
)

INTERVALS: Final = {"spend": 300, "runaways": 60, "pipeline": 60}
"""How often a group is evaluated, in seconds."""

TOPICS: Final = {"spend": "money", "runaways": "runaways", "pipeline": "pipeline"}
"""The label `topic` of a group's rules, for notification policies."""


def data(rule: AlertRule) -> list[dict[str, Any]]:
    """The rule's query (A) and its threshold (B)."""
    return [
        {
            "refId": "A",
            "queryType": "table",
            "relativeTimeRange": {"from": rule.looks_back, "to": 0},
            "datasourceUid": DATASOURCE_UID,
            "model": {
                "refId": "A",
                "datasource": {"type": PLUGIN, "uid": DATASOURCE_UID},
                "editorType": "sql",
                "rawSql": board_query(rule.query).sql,
                "queryType": "table",
                "format": 1,
                "pluginVersion": PLUGIN_VERSION,
                "intervalMs": 60_000,
                "maxDataPoints": 1000,
                "meta": {"query": rule.query},
            },
        },
        {
            "refId": "B",
            "queryType": "",
            "relativeTimeRange": {"from": rule.looks_back, "to": 0},
            "datasourceUid": "__expr__",
            "model": {
                "refId": "B",
                "type": "threshold",
                "datasource": {"type": "__expr__", "uid": "__expr__"},
                "expression": "A",
                "intervalMs": 60_000,
                "maxDataPoints": 1000,
                "conditions": [
                    {
                        "evaluator": {"type": "gt", "params": [rule.above]},
                        "unloadEvaluator": {"type": "lt", "params": [rule.below]},
                    }
                ],
            },
        },
    ]


def provisioning() -> dict[str, Any]:
    """The rules as Grafana's file provisioning reads them."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group,
                "folder": FOLDER,
                "interval": f"{seconds}s",
                "rules": [_rule(rule) for rule in RULES if rule.group == group],
            }
            for group, seconds in INTERVALS.items()
        ],
    }


def _rule(rule: AlertRule) -> dict[str, Any]:
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "B",
        "data": data(rule),
        "for": f"{rule.holds_for}s",
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "isPaused": False,
        "labels": {
            "app": "spendstream",
            "severity": rule.severity,
            "topic": TOPICS[rule.group],
        },
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "board": f"/d/{rule.board}",
        },
    }
