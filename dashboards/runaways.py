"""*Runaways*: for on-call. What is open, what it has cost so far, why it is thought to run away, what routers and
people were told. Reads the watcher's tables; the cost chart reads ledger rows of the runs that are open."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import MUST_BE_ZERO, TO_AGENT, TO_RUN, Link, board, choices, listing, number, place, series, typed

UID = "spendstream-runaways"
TO_TEAM = Link("spendstream-team", "Team ${__value.text}", "team", "team", ("datasource",))
TO_INCIDENT = Link(UID, "Only this runaway", "incident", "incident", ("datasource",))
LINKS = {"agent": TO_AGENT, "run": TO_RUN, "incident": TO_INCIDENT}
NARROW = {
    "severity": 75,
    "kind": 110,
    "team": 95,
    "agent": 125,
    "run": 105,
    "cost": 80,
    "before_open": 95,
    "calls": 60,
    "lasted": 80,
    "reopened": 80,
    "opened": 160,
    "taken": 195,
    "incident": 175,
}


def runaways() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Runaways", "Agents that run away: open incidents, their cost so far, the evidence, what was done. Open"
        " ones are shown whenever they began.",
        since="now-24h", refresh="10s",
        variables=[
            typed("incident", "Incident", "An incident's id, as links and notices have it. Empty: all of them."),
            *choices("team", "agent"),
        ],
    )  # fmt: skip
    return place(
        made,
        [
            (
                "Now", 4,
                [
                    (4, number("Open", "incidents_now", "open",
                        "Runaways that are open. If it is not 0, start with the first row of the table below: it pages,"
                        " and is the dearest.", steps=MUST_BE_ZERO)),
                    (4, number("Cost so far", "incidents_now", "so_far",
                        "What the open ones have cost since their first abnormal call, priced calls only. If it grows"
                        " while you read, stop the run: docs/oncall.md says how.")),
                    (4, number("Paging, not acknowledged", "incidents_now", "unacknowledged",
                        "Open ones that page and that nobody has taken. If it is not 0, acknowledge yours, so that"
                        " others sleep.", steps=MUST_BE_ZERO)),
                    (4, number("Opened in the time range", "incidents_now", "opened",
                        "Runaways that were opened in the time range. If it is far above other days, something common"
                        " changed: a model, a prompt, a tool that fails.")),
                    (4, number("Cost of these", "incidents_now", "cost",
                        "What those have cost, ended or not. If few cost most, look at how long they ran before they"
                        " were seen.")),
                    (4, number("Lasted, median", "incidents_now", "median_lasted",
                        "From opening to the end, of those that ended. If it is long, nobody stops them: see who was"
                        " told below.")),
                ],
            ),
            (
                "", 10,
                [
                    (24, listing("Open runaways", "incidents_open",
                        "Open ones, those that page first, then the dearest. If evidence does not convince you, follow"
                        " the run to its calls; if it does, stop the run at its router.",
                        links=LINKS | {"team": TO_TEAM}, widths=NARROW)),
                ],
            ),
            (
                "", 9,
                [
                    (14, series("What the open runs have cost", "incident_cost",
                        "Cost of the runs of open runaways over the time range, the eight dearest. If a line still"
                        " climbs after you stopped the run, something else drives it.", interval="1m")),
                    (10, series("Opened by kind", "incidents_kinds",
                        "Runaways opened over time, by what gave them away. If one kind comes in a burst, look for a"
                        " common cause.", stacked=True, bars=True, interval="15m", below=True)),
                ],
            ),
            (
                "Time line", 10,
                [
                    (24, listing("Changes", "incident_history",
                        "Every change of the chosen incident, or of all: opened, escalated, acknowledged, resolved. If"
                        " one was reopened again and again, its cause is still there.",
                        links=LINKS, widths=NARROW | {"change": 105, "by": 110, "reason": 180})),
                ],
            ),
            (
                "What was done", 8,
                [
                    (24, listing("What routers are told", "controls",
                        "Controls in force. If a runaway still spends though it is blocked here, its router does not"
                        " ask (docs/controls.md), or the mode is observe.",
                        links={"incident": TO_INCIDENT},
                        widths={"mode": 80, "action": 80, "scope": 65, "subject": 170, "per_minute": 95, "by": 170,
                                "incident": 165})),
                ],
            ),
            (
                "", 8,
                [
                    (24, listing("Who was told", "incident_notices",
                        "Notices of runaways and what became of each at each channel. If state is failed or given_up,"
                        " mend the channel; if channel is empty, no route of the policies matched.",
                        links={"incident": TO_INCIDENT},
                        widths={"severity": 75, "change": 95, "channel": 110, "state": 110, "attempts": 80,
                                "error": 200, "incident": 165})),
                ],
            ),
            (
                "", 9,
                [
                    (24, listing("Ended in the time range", "incidents_resolved",
                        "Runaways that ended. If they end by themselves after much was spent, a lower limit or a"
                        " control would have been cheaper.",
                        links=LINKS | {"team": TO_TEAM}, widths=NARROW)),
                ],
            ),
            (
                "", 9,
                [
                    (24, listing("Signals", "signals",
                        "Limits that were crossed, whether or not they opened a runaway; score 100 % is at the limit."
                        " If many stand near 100 % and are no runaways, the limit is low for that agent.",
                        links={"agent": TO_AGENT, "run": TO_RUN},
                        widths={"kind": 110, "score": 80, "agent": 190, "run": 170})),
                ],
            ),
        ],
    )  # fmt: skip
