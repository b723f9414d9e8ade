"""*Team and agent detail*: what a team's agents and runs cost. The upper part reads the roll-up and does not know
agents; the lower part reads ledger rows of the time range, few of them when agents are chosen."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import (
    FAILURES,
    GROWTH,
    MUST_BE_ZERO,
    STATUSES,
    TO_RUN,
    Link,
    board,
    choices,
    listing,
    number,
    place,
    series,
)

UID = "spendstream-team"
TO_AGENT = Link(UID, "Only ${__value.text}", "agent", "agent", ("datasource", "team", "tier", "model"))
MODEL = {"provider": 90, "tier": 75, "spend": 90, "share": 70, "calls": 75, "tokens": 110, "unpriced": 80}
TO_MODEL = Link(UID, "Only ${__value.text}", "model", "model", ("datasource", "team", "tier", "agent"))


def team() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Team and agent detail", "What a team's agents and runs cost, how they fail, and how long they take.",
        since="now-24h", refresh="1m", variables=choices("team", "agent", "tier", "model"),
    )  # fmt: skip
    return place(
        made,
        [
            (
                "Team (whole hours; the choice of agents does not apply)", 4,
                [
                    (4, number("Spend", "spend_totals", "spend",
                        "Computed cost of the team in the time range. If it is more than you expect, the agents below"
                        " are sorted by cost.")),
                    (4, number("Against the time before", "spend_totals", "change",
                        "Spend against the equally long stretch before. If it is red, look for agents with many calls"
                        " in few runs: that is how loops look.", steps=GROWTH)),
                    (4, number("Calls", "spend_totals", "calls",
                        "Calls of the team. If there are none though agents work, their router does not publish or"
                        " sets another team_id.")),
                    (4, number("Tokens", "spend_totals", "tokens",
                        "Input and output tokens. If they grow faster than calls, contexts grow: look at the runs"
                        " below.")),
                    (4, number("Not ok", "spend_totals", "error_share",
                        "Share of calls that ended in an error, a time-out, a limit or a denial. If it is red, see"
                        " the chart of statuses below; failed calls often cost input"
                        " tokens all the same.", steps=FAILURES)),
                    (4, number("Unpriced calls", "spend_totals", "unpriced",
                        "Calls whose price is not known; they are in no sum. If it is not 0, add prices"
                        " (docs/prices.md).",
                        steps=MUST_BE_ZERO)),
                ],
            ),
            (
                "", 9,
                [
                    (9, series("Spend by tier", "team_by_hour",
                        "Cost over time by tier. If a tier appears that the team should not use, see who in the"
                        " agents' table, and why in Audit.", stacked=True, bars=True)),
                    (15, listing("Models", "spend_models",
                        "Models that the team uses. If one costs much for few calls, ask whether a cheaper tier would"
                        " do.",
                        links={"model": TO_MODEL}, widths=MODEL)),
                ],
            ),
            (
                "Agents", 10,
                [
                    (24, listing("Agents", "agents",
                        "The fifty dearest agents. If one has many calls in few runs, or many errors, pick it and"
                        " look at its runs.", links={"agent": TO_AGENT}, colours={"error_share": FAILURES})),
                ],
            ),
            (
                "", 9,
                [
                    (10, series("Spend by agent", "agent_spend",
                        "Cost over time of the eight dearest agents. If a line climbs and stays, the agent may be"
                        " running away: open its dearest run.", stacked=True, bars=True, interval="5m")),
                    (7, series("Calls that did not end well", "agent_status",
                        "Calls by status other than ok. If rate_limited or timeout grow, the provider is the cause; if"
                        " denied, a policy is (Audit).", stacked=True, bars=True, interval="5m", colours=STATUSES,
                        below=True)),
                    (7, series("Latency", "agent_latency",
                        "How long answered calls took. If p95 leaves p50 far behind, look at the provider and at the"
                        " length of inputs.", interval="15m", below=True)),
                ],
            ),
            (
                "Runs", 10,
                [
                    (24, listing("Runs", "agent_runs",
                        "The fifty dearest runs. If a run's calls or seconds are far above the others', follow its link"
                        " and read what it did.", links={"run": TO_RUN})),
                ],
            ),
        ],
    )  # fmt: skip
