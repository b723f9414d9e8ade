"""*Outcomes and escalations*: what calls are for, whether they succeed, on which tier, at what price; escalations. The
estimate itself is `spendstream savings`: it tests and prices call by call, which no panel does."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import TO_AGENT, board, choices, listing, number, place, series

UID = "spendstream-outcomes"
RATES = {
    "success": 75,
    "low": 65,
    "high": 65,
    "judged": 75,
    "tier": 80,
    "cost_per_success": 130,
    "spend": 95,
    "newest": 165,
}


def outcomes() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Outcomes and escalations", "Whether runs succeed, by task class, tier and agent, and what a success"
        " costs; what calls are for; escalations. Runs count by when they began.",
        since="now-7d", refresh="", variables=choices("team", "agent", "tier", "model"),
    )  # fmt: skip
    return place(
        made,
        [
            (
                "Judged runs", 4,
                [
                    (4, number("Judged runs", "outcome_now", "judged",
                        "Runs with a verdict. If it is 0, nobody sends outcomes (docs/outcomes.md), and nobody can say"
                        " what a cheaper tier would break.")),
                    (4, number("Success", "outcome_now", "success",
                        "Share of judged runs that succeeded. If it falls, look below in which class and tier, and what"
                        " changed that day.")),
                    (4, number("At least", "outcome_now", "low",
                        "Low end of the 95 % interval of that share. If it is far below, there are too few verdicts to"
                        " decide anything by.")),
                    (4, number("At most", "outcome_now", "high",
                        "High end of the 95 % interval. If two tiers' intervals overlap widely, they cannot be told"
                        " apart yet.")),
                    (4, number("Cost of a success", "outcome_now", "cost_per_success",
                        "Cost of all judged runs, the failed ones too, by successes. If a cheap tier is dear here, its"
                        " failures eat what its price saves.")),
                    (4, number("Escalated", "outcome_now", "escalated",
                        "Share of judged runs in which a call was sent up a tier. If it is large, the first tier is too"
                        " small for that work.")),
                ],
            ),
            (
                "", 9,
                [
                    (9, series("Success by tier", "outcome_by_day",
                        "Share of success by day and tier, of days with five judged runs or more. If a line drops, see"
                        " below whether people were told, and what was changed.", interval="1d")),
                    (15, listing("By task class and tier", "outcome_classes",
                        "The same class on two tiers, side by side. If the cheaper tier's low end is near the dearer"
                        " one's share, run `spendstream savings`: it compares agents with themselves.", widths=RATES)),
                ],
            ),
            (
                "", 10,
                [
                    (13, listing("By agent and tier", "outcome_agents",
                        "Agents with most verdicts. If an agent has verdicts on one tier only, let its router send a"
                        " tenth to the cheaper one by chance: that is the evidence that is missing.",
                        links={"agent": TO_AGENT}, widths=RATES)),
                    (11, listing("Drops that people were told of", "outcome_notices",
                        "Falls of quality after a change of route or model. If it is empty, none was found; if nothing"
                        " ever is, check that verdicts arrive.",
                        widths={"at": 160, "change": 75, "severity": 75, "title": 215})),
                ],
            ),
            (
                "What calls are for", 9,
                [
                    (24, listing("Mix", "mix",
                        "Calls and spend by task class and tier. If routine work stands on frontier, that is where to"
                        " look first; `spendstream savings` says what it would save, as a range.",
                        widths={"call_share": 100, "spend_share": 110})),
                ],
            ),
            (
                "Escalations", 9,
                [
                    (9, series("Escalated", "escalated",
                        "Share of calls that were sent up, by the tier they came from. If it climbs, the lower tier or"
                        " the rule that sends up has changed.", interval="1h", below=True)),
                    (15, listing("Why", "escalation_reasons",
                        "Reasons and policies of escalations, the dearest first. If one dominates, its rule deserves a"
                        " look; the calls stand on the board Audit.",
                        widths={"from_tier": 85, "to_tier": 80, "calls": 75, "agents": 70, "runs": 70, "spend": 95,
                                "newest": 165})),
                ],
            ),
        ],
    )  # fmt: skip
