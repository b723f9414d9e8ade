"""Links from a notice to the boards in Grafana: the right board, time range and variables already chosen. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

AROUND_MS: Final = 10 * 60_000
"""Ten minutes before the first abnormal call and after the last: what was normal shows, too."""
FRESH_MS: Final = 3_600_000
"""A change that is younger than this is still going on: the board then follows."""

INCIDENT_BOARD: Final = "spendstream-runaways"
TEAM_BOARD: Final = "spendstream-team"
RUN_BOARD: Final = "spendstream-audit"


def board_links(
    grafana_url: str,
    *,
    incident_id: str,
    team_id: str,
    agent_id: str,
    run_id: str,
    first_ms: int,
    last_ms: int,
    now_ms: int,
) -> dict[str, str]:
    """Name and URL of each board worth opening; none when no Grafana is set."""
    if not grafana_url:
        return {}
    times = {
        "from": str(first_ms - AROUND_MS),
        "to": "now" if now_ms - last_ms < FRESH_MS else str(last_ms + AROUND_MS),
    }
    found = {
        "incident board": _board(grafana_url, INCIDENT_BOARD, times | _chosen(incident=incident_id)),
        "agent board": _board(grafana_url, TEAM_BOARD, times | _chosen(team=team_id, agent=agent_id)),
    }
    if run_id:
        found["run board"] = _board(grafana_url, RUN_BOARD, times | _chosen(run=run_id))
    return found


def _chosen(**variables: str) -> dict[str, str]:
    return {f"var-{name}": value for name, value in variables.items() if value}


def _board(grafana_url: str, uid: str, query: dict[str, str]) -> str:
    return f"{grafana_url.rstrip('/')}/d/{quote(uid)}?{urlencode(query)}"
