"""*Budgets and plans*: what is left, what will break, what plans cost beside list prices; for finance and team leads.
Reads what the workers' duties keep of budgets and plans, not the ledger."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import MUST_BE_ZERO, USED, Link, Steps, board, choices, listing, number, place, ranking, series

UID = "spendstream-budgets"
TO_TEAM = Link("spendstream-team", "Agents and runs of ${__value.text}", "team", "team", ("datasource",))
BELOW_ZERO: Steps = ((None, "red"), (0, "text"))
PACE: Steps = ((None, "text"), (2, "orange"), (6, "red"))


def budgets() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Budgets and plans", "Budgets as they stand at the end of the time range, what happened to them, and what"
        " plans cost beside list prices. In UTC.",
        since="now-30d", refresh="5m", variables=choices("team", "tier", "model"),
    )  # fmt: skip
    return place(
        made,
        [
            (
                "Budgets", 4,
                [
                    (4, number("Budgets", "budgets_now", "budgets",
                        "Budgets whose period holds the end of the time range. If it is 0, no budgets file is set, or"
                        " no worker runs that evaluates it (docs/budgets.md).")),
                    (4, number("Over", "budgets_now", "over",
                        "Budgets that are spent. If it is not 0, see in the table below whose, and talk to that team"
                        " before the period ends.", steps=MUST_BE_ZERO)),
                    (4, number("Hard ones over", "budgets_now", "hard_over",
                        "Hard budgets that are spent: routers that ask are told to stop. If it is not 0, someone's"
                        " work may be standing still.", steps=MUST_BE_ZERO)),
                    (4, number("Burning fast", "budgets_now", "burning",
                        "Budgets that are spent faster than they last, over a short and a long window. If it is not 0,"
                        " look at Runaways first.", steps=MUST_BE_ZERO)),
                    (4, number("Expected to break", "budgets_now", "expected",
                        "Budgets not spent yet whose forecast is above their amount even at its low end. If it is not"
                        " 0, there is still time: see when they are exhausted.", steps=MUST_BE_ZERO)),
                    (4, number("Unpriced calls", "budgets_now", "unpriced",
                        "Calls of these budgets without a price: they are in no amount. If it is not 0, the true spend"
                        " is higher; add prices (docs/prices.md).", steps=MUST_BE_ZERO)),
                ],
            ),
            (
                "", 12,
                [
                    (9, ranking("Most used", "budget_used",
                        "The budgets that are used most. If a bar is longer than the month is old, the budget will"
                        " not last: see its forecast below.")),
                    (15, listing("What happened", "budget_events",
                        "Thresholds crossed, burn alerts on and off, forecasts that broke the amount. If an event is"
                        " missing from your channel, see who was told on the board Runaways or with `spendstream"
                        " alerts`.",
                        widths={"budget": 100, "event": 80, "mark": 60, "severity": 75, "spent": 90, "amount": 90,
                                "at": 165})),
                ],
            ),
            (
                "", 11,
                [
                    (24, listing("Budgets", "budgets",
                        "Every budget: spent, left, the forecast to the period's end with its 80 % interval, and when"
                        " it is exhausted. pace 100 % is even. If low is above amount, it will most likely break.",
                        links={"team": TO_TEAM}, colours={"used": USED, "left": BELOW_ZERO, "pace": PACE},
                        widths={"budget": 140, "value": 110, "period": 70, "kind": 55, "team": 100, "burning": 80,
                                "used": 75, "pace": 70, "amount": 95, "spent": 95, "left": 95, "forecast": 95,
                                "low": 95, "high": 95, "exhausted": 165, "unpriced": 85})),
                ],
            ),
            (
                "Plans", 4,
                [
                    (4, number("Cost of plans", "plans_now", "total",
                        "Fees, commitments and overage of the months that the time range touches. If it says no calls,"
                        " no plans file is set (docs/plans.md).")),
                    (4, number("By list price", "plans_now", "list",
                        "What the same calls would have cost by token. If it is below the cost of plans, the plans do"
                        " not pay for the present mix.")),
                    (4, number("Saved by plans", "plans_now", "saved",
                        "List prices less plans. If it is red, a plan costs more than it gives: see which one in the"
                        " table.", steps=BELOW_ZERO)),
                    (4, number("Idle", "plans_now", "idle",
                        "Paid capacity that nobody used. If it is much of the fees, move work into the plan or buy"
                        " less.")),
                    (4, number("Overage", "plans_now", "overage",
                        "Paid beyond what plans include. If it is near a fee, a larger plan may be cheaper.")),
                    (4, number("Capacity used", "plans_now", "used",
                        "Share of the paid capacity that was used, by cost. If it is small, see Idle; if it is near 100"
                        " % early in the month, overage comes next.")),
                ],
            ),
            (
                "", 9,
                [
                    (9, series("Cost by plan", "plan_cost",
                        "Cost by day of use. Idle capacity stands on the last day of its period. If (no plan) is most"
                        " of it, ask what of it a plan could carry.", stacked=True, bars=True, interval="1d")),
                    (15, listing("Break-even by tier", "plan_tiers",
                        "Each plan by tier: what its calls cost, what they would cost by list price, and from how many"
                        " tokens or calls a period the fee pays. If saved is red, that tier is better paid by token.",
                        colours={"saved": BELOW_ZERO},
                        widths={"tier": 85, "calls": 90, "tokens": 125, "list": 100, "cost": 100, "saved": 90,
                                "break_even": 130})),
                ],
            ),
            (
                "", 10,
                [
                    (24, listing("Plans by period", "plans",
                        "Capacity, use, overage and idle capacity of each period, in the plan's own unit. If taken is"
                        " below break_even, list prices would have been cheaper.",
                        colours={"used": USED, "saved": BELOW_ZERO},
                        widths={"starts": 95, "kind": 90, "unit": 60, "used": 75, "capacity": 115, "taken": 115,
                                "beyond": 95, "break_even": 115, "fee": 90, "idle": 90, "overage": 90, "total": 90,
                                "list": 90, "saved": 90, "unpriced": 80})),
                ],
            ),
            (
                "Closed months", 6,
                [
                    (24, listing("Closed months", "closings",
                        "Months whose figures are frozen, with the corrections of earlier months that counted in them."
                        " If a figure is doubted, `spendstream close MONTH --check` proves it.",
                        widths={"month": 90, "by": 130, "reason": 240})),
                ],
            ),
        ],
    )  # fmt: skip
