"""What operators do to incidents, as records of `spendstream.steps`: so they have a place in the log's order and are
not lost when the worker that watches dies.

    record = action_record("inc-...", "acknowledge", by="ada", reason="on it", at_ms=now, partition=0)

Send it with any producer. The watcher applies it and writes an event `acknowledged`, `silenced` or `resolved`; one for
an incident that it does not know (resolved hours ago) changes nothing. Sent twice, it counts once.
"""

from __future__ import annotations

import secrets
from typing import Final, Literal

from streams import topics
from streams.meter.outgoing import OutgoingRecord
from streams.watch.record import Action, encode_steps

ActionName = Literal["acknowledge", "silence", "resolve"]
ACTIONS: Final[tuple[ActionName, ...]] = ("acknowledge", "silence", "resolve")


def action_record(
    incident_id: str,
    action: ActionName,
    *,
    by: str,
    reason: str,
    at_ms: int,
    partition: int,
    until_ms: int | None = None,
    action_id: str | None = None,
) -> OutgoingRecord:
    """The record of one action. `partition`: of the steps topic, as the view `incidents` has it for the incident;
    `at_ms`, `until_ms` (how long to be silent): epoch ms of the clock. Without `action_id` a random one is made.
    """
    if action not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}, not {action!r}")
    if action == "silence" and until_ms is None:
        raise ValueError("silence needs until_ms")
    made = Action(action_id or secrets.token_hex(8), incident_id, action, by, reason, at_ms, until_ms)
    return OutgoingRecord(topics.STEPS, partition, incident_id.encode(), encode_steps(by, at_ms, (), (made,)))
