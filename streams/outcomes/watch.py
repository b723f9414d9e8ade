"""The duty that tells people when quality dropped after a change of routing or model, and keeps judged runs for boards.

Every few minutes, if verdicts have come since the last look: the judged runs of the last `DAYS` days, up to the
ledger's newest call, are kept where boards read them (`streams.outcomes.kept`), then go through
`streams.outcomes.changes`. A drop is a notice of its own (severity `warning`, label `kind=quality`); the agent leaving
the route again resolves it. Ids are made of agent, class, route and the change's time, so a notice is put once, whoever
looks how often.
"""

from __future__ import annotations

import hashlib
from typing import Final

from streams.alert.box import NoticeBox
from streams.alert.notice import Notice
from streams.ledger.client import Database
from streams.ledger.reader import DatabaseReader
from streams.ledger.sqlfiles import named_query
from streams.outcomes.changes import Watched, watched
from streams.outcomes.drift import ALARM
from streams.outcomes.kept import KeptRuns
from streams.outcomes.period import DAY_MS, Span
from streams.outcomes.runs import read_runs

DAYS: Final = 90
"""A change is watched for 1,500 verdicts at most; an agent that makes fewer in a quarter is looked at by people."""

ANYWAY_MS: Final = 1_800_000
"""Without new verdicts it is looked every half hour: calls of a run may come after its verdict."""


class QualityWatch:
    """See the module; a `streams.duties.Duty`."""

    name = "quality"
    every_s = 120.0

    def __init__(self, database: Database, box: NoticeBox | None = None) -> None:
        """Connects to nothing yet. `box`: where notices go; that of the same database without one."""
        self._reader = DatabaseReader(database)
        self._box = box or NoticeBox(database)
        self._kept = KeptRuns(database)
        self._seen: int | None = None
        self._looked_ms = 0

    def run(self, now_ms: int) -> None:
        """Look once. Raises `Unavailable` to be run again later."""
        [[verdicts]] = self._reader.rows("SELECT count() FROM outcome_intake")
        if not verdicts or (verdicts == self._seen and now_ms - self._looked_ms < ANYWAY_MS):
            return
        [[_, last_ms]] = self._reader.rows(named_query("calls_extent"))
        end = int(last_ms) + 1
        span = Span(end - DAYS * DAY_MS, end)
        runs = read_runs(self._reader, span)
        self._kept.keep(runs, span, now_ms)
        notices = [notice for one in watched(runs) if one.verdict.dropped for notice in notices_of(one)]
        if notices:
            self._box.put(notices)
        self._seen, self._looked_ms = int(verdicts), now_ms


def notices_of(change: Watched) -> list[Notice]:
    """The drop, and its end if the route was left again."""
    tier, provider, model = change.route
    name = "\0".join((change.agent, change.task_class, *change.route, str(change.began_ms)))
    subject = "quality:" + hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
    assert change.alarmed_ms is not None
    before, after, difference = change.verdict.before, change.verdict.after, change.verdict.difference
    assert difference is not None
    labels = {
        "kind": "quality", "agent_id": change.agent, "task_class": change.task_class,
        "request_model": model, "provider_name": provider,
    }  # fmt: skip
    body = (
        f"{change.in_words()}.\n"
        f"{after.hits} of {after.of} runs on {model} succeeded, {before.hits} of {before.of} before: "
        f"{difference.estimate:+.1%} (95 %: {difference.low:+.1%} to {difference.high:+.1%}). "
        f"The probability of such an alarm without a drop is at most {ALARM:.0%} for each change."
    )
    title = f"{change.agent}: fewer runs succeed since {model} ({tier})"
    told = Notice(
        f"{subject}:dropped", subject, "dropped", "warning", title, body, change.team, tier, change.alarmed_ms,
        labels=labels,
    )  # fmt: skip
    if not change.left:
        return [told]
    return [
        told,
        Notice(
            f"{subject}:left", subject, "left", "warning", f"{change.agent} left {model} again", change.in_words(),
            change.team, tier, change.last_ms, labels=labels, resolved=True,
        ),
    ]  # fmt: skip
