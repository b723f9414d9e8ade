"""*Spend*: where the money goes, for finance. Reads the roll-up by hour and what is
kept of budgets, so it opens fast on any ledger."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import (
    FAILURES,
    GROWTH,
    MUST_BE_ZERO,
    USED,
    Link,
    board,
    choices,
    listing,
    number,
    place,
    ranking,
    series,
)

UID = "spendstream-spend"
TO_TEAM = Link(
    "spendstream-team", "Agents and runs of ${__value.text}", "team", "team", ("datasource", "tier", "model")
)
TO_MODEL = Link(UID, "Only ${__value.text}", "model", "model", ("datasource", "team", "tier"))


def spend() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Spend", "Where the money for model calls goes: by team, tier and model. Computed cost, in UTC.",
        since="now-30d", refresh="5m", variables=choices("team", "tier", "model"),
    )  # fmt: skip
    return place(
        made,
        [
            (
                "", 4,
                [
                    (4, number("Month to date", "spend_month", "spend",
                        "Computed cost since the first of the month (UTC) that the time range ends in. If it is more"
                        " than you expect, look for the team that grew in the table below.")),
                    (3, number("Of the month's budget", "spend_budget", "used",
                        "Month to date by the month's budget: of everything, or of the chosen teams. If it is red, see"
                        " the board Budgets and plans. No budget: none is kept, or not for the chosen tier or model"
                        " (docs/budgets.md).", steps=USED, empty="no budget")),
                    (4, number("Expected this month", "spend_budget", "expected",
                        "What the month will have cost at its end, by the budget's forecast. If it is above the"
                        " amount, the board Budgets and plans says when it is exhausted.", empty="no budget")),
                    (4, number("Between", "spend_budget", "between",
                        "The forecast's interval of 80 %: four months in five end in it. If it is wide, spend is"
                        " uneven, or there is little of a past to go by.", empty="no budget", size=26)),
                    (3, number("Against last month", "spend_month", "change",
                        "Month to date against the same stretch of the month before. If it is red, sort the team"
                        " table by change; empty means that last month has no calls.", steps=GROWTH)),
                    (3, number("Unpriced calls", "spend_totals", "unpriced",
                        "Calls whose price is not known. They are in no sum here. If it is not 0, open Pipeline"
                        " health, find the models, and add prices to the override"
                        " file (docs/prices.md).", steps=MUST_BE_ZERO)),
                    (3, number("Ledger age", "freshness", "age",
                        "Time since the ledger was last written to. If it is red while agents work, figures here lag"
                        " behind: open Pipeline health.", steps=((None, "green"), (300, "orange"), (1800, "red")))),
                ],
            ),
            (
                "By day", 9,
                [
                    (12, series("Spend by tier", "spend_by_day",
                        "Cost by day (UTC), stacked by tier; dashed: what a day may cost for the month's budget."
                        " If days stand above it, see Budgets and plans; if frontier grows faster than the rest, ask in"
                        " the Audit board why calls escalate.",
                        stacked=True, bars=True, interval="1d", limit="budget pace")),
                    (12, series("Spend by team", "spend_by_day_team",
                        "Cost by day (UTC) of the eight dearest teams. If one jumps, open that team from the table"
                        " below.",
                        stacked=True, bars=True, interval="1d")),
                ],
            ),
            (
                "In the time range", 4,
                [
                    (6, number("Spend", "spend_totals", "spend",
                        "Computed cost of the chosen time range, in whole hours. If it does not match an invoice,"
                        " compare the model table with the invoice's lines, and check unpriced calls.")),
                    (6, number("Against the time before", "spend_totals", "change",
                        "Spend against the equally long stretch before. If it is red, sort the team table by change.",
                        steps=GROWTH)),
                    (6, number("Calls", "spend_totals", "calls",
                        "Calls of the time range. If they are few though agents work, a router does not publish.")),
                    (6, number("Cost per 1k tokens", "spend_totals", "cost_per_1k",
                        "Cost of 1,000 tokens, input and output together, of models that have a price. If it rises,"
                        " work is moving to dearer tiers or less input comes from caches: see the two charts at the"
                        " bottom.")),
                ],
            ),
            (
                "Who and what", 11,
                [
                    (15, listing("Teams", "spend_teams",
                        "Spend by team, beside the equally long stretch before. If a change is red, follow the team's"
                        " link to its agents. (none): calls that name no team; have their router set team_id.",
                        links={"team": TO_TEAM}, colours={"change": GROWTH, "error_share": FAILURES})),
                    (9, ranking("Tiers", "spend_tiers",
                        "Spend by tier. If unknown is not small, map its models to tiers in the tier file.")),
                ],
            ),
            (
                "", 10,
                [
                    (24, listing("Models", "spend_models",
                        "Spend by model and seller. If spend is empty, the model has no price: it is not free. If a"
                        " share surprises you, pick the model to see which teams use it.",
                        links={"model": TO_MODEL})),
                ],
            ),
            (
                "Why it costs what it costs", 9,
                [
                    (12, series("Tokens by class", "spend_tokens",
                        "Tokens by day; classes do not overlap. If cache reads shrink while uncached input grows, a"
                        " prompt prefix changed and caches miss.", stacked=True, bars=True, interval="1d")),
                    (12, series("Cost per 1k tokens by tier", "spend_cost_per_1k",
                        "Cost of 1,000 tokens by day and tier. If a line steps, a price or the mix of models in that"
                        " tier changed: compare price_ref of calls before and after"
                        " in the Audit board.", interval="1d")),
                ],
            ),
        ],
    )  # fmt: skip
