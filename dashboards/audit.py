"""*Audit*: every call of a run, escalations, policy decisions. Reads ledger rows; an index finds those of a run."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import (
    DECISIONS,
    MUST_BE_ZERO,
    TO_AGENT,
    Link,
    board,
    choices,
    listing,
    number,
    place,
    series,
    typed,
)

UID = "spendstream-audit"
TO_RUN = Link(UID, "Only ${__value.text}", "run", "run", ("datasource",))
NARROW = {
    "input": 85,
    "cached": 85,
    "output": 85,
    "status": 110,
    "decision": 90,
    "escalated_from": 120,
    "tier": 85,
    "attempt": 80,
}


def audit() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Audit", "Every call of a run with its price and its place in the log; escalations; policy decisions.",
        since="now-24h", refresh="",
        variables=[
            typed("run", "Run", "A run_id, which sub-agents share. Empty: everything in the time range."),
            *choices("team", "agent"),
        ],
    )  # fmt: skip
    return place(
        made,
        [
            (
                "The run (without one: everything in the time range)", 4,
                [
                    (4, number("Cost", "audit_run", "spend",
                        "What the run cost so far. If it says no calls, widen the time range: a run outside it is not"
                        " found.")),
                    (4, number("Calls", "audit_run", "calls",
                        "Calls of the run. If it is far above the run's sisters, look for repeated calls in the list"
                        " below.")),
                    (4, number("Tokens", "audit_run", "tokens",
                        "Input and output tokens. If they are many for the calls, the context grows from call to"
                        " call.")),
                    (4, number("Lasted", "audit_run", "seconds",
                        "From the first call to the last. If the run should have ended,"
                        " stop it where it was started.")),
                    (4, number("Escalated", "audit_run", "escalated",
                        "Calls that went to a dearer tier than asked. If they are most of the run, see the reasons"
                        " below.")),
                    (4, number("Unpriced calls", "audit_run", "unpriced",
                        "Calls whose price is not known: the cost above lacks them. If it is not 0, add prices"
                        " (docs/prices.md).", steps=MUST_BE_ZERO)),
                ],
            ),
            (
                "", 8,
                [
                    (24, series("Cost so far", "audit_so_far",
                        "What had been spent by when. If the line bends upwards, each call costs more than the one"
                        " before: the context grows.", interval="1m")),
                ],
            ),
            (
                "", 14,
                [
                    (24, listing("Calls", "audit_calls",
                        "Every call, newest first; `place` is incarnation/partition/offset/item in the log, `cost` is"
                        " empty where no price is known. If two calls look alike, their ids differ: repeated ids are"
                        " counted once. If 1,000 rows are not enough, use `spendstream sql`.",
                        links={"run": TO_RUN, "agent": TO_AGENT}, widths=NARROW)),
                ],
            ),
            (
                "Escalations and policies", 9,
                [
                    (10, series("Decisions", "audit_decisions",
                        "What policies decided, over time. If denials jump, a policy was changed or an agent hits its"
                        " limit: see which policy in the table beside.", stacked=True, bars=True, interval="5m",
                        colours=DECISIONS)),
                    (14, listing("Policies", "audit_policies",
                        "Decisions by policy. If a policy never decides, its condition may be wrong; if it denies"
                        " most of an agent's calls, talk to its team.")),
                ],
            ),
            (
                "", 10,
                [
                    (24, listing("Escalations", "audit_escalations",
                        "The newest calls that went to a dearer tier than asked, and why. If one reason dominates,"
                        " the router's rule for it deserves a look.", links={"run": TO_RUN, "agent": TO_AGENT})),
                ],
            ),
        ],
    )  # fmt: skip
