"""All generated files of this folder: path in it -> text. The same code gives the same bytes."""

from __future__ import annotations

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.alerts import provisioning
from dashboards.audit import audit
from dashboards.budgets import budgets
from dashboards.health import health
from dashboards.outcomes import outcomes
from dashboards.runaways import runaways
from dashboards.savings import savings
from dashboards.spend import spend
from dashboards.team import team

BOARDS = {
    "spend": spend,
    "budgets": budgets,
    "savings": savings,
    "outcomes": outcomes,
    "team": team,
    "runaways": runaways,
    "audit": audit,
    "health": health,
}


def render() -> dict[str, str]:
    """Text of every generated file by its path below `dashboards/`."""
    files = {f"json/{name}.json": _text(make().build()) for name, make in BOARDS.items()}
    files["provisioning/alerting/rules.json"] = _text(provisioning())
    return files


def _text(document: object) -> str:
    return json.dumps(document, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
