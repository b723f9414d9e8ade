"""The duty of telling people: new changes of incidents become notices, and notices are delivered, in one go.

The watcher wakes it by its name when an incident changes (`streams.duties`); else it looks once a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from streams.alert.box import NoticeBox
from streams.alert.channels.base import Channel
from streams.alert.channels.make import make_channels
from streams.alert.deliver import Deliverer
from streams.alert.incidents import IncidentNotices
from streams.alert.journal import Journal
from streams.alert.policies import Policies
from streams.ledger.client import Database

CLOSE_S: Final = 15.0
"""A webhook's time-out (10 s unless the operator says more) and the confirmation."""


def wall_ms() -> int:
    """The clock on the wall, epoch ms."""
    return time.time_ns() // 1_000_000


class AlertDuty:
    """See the module (`streams.duties.Duty`)."""

    name = "alerts"
    every_s = 1.0

    def __init__(
        self,
        database: Database,
        policies: Policies,
        worker: str,
        *,
        grafana_url: str = "",
        channels: Mapping[str, Channel] | None = None,
        now_ms: Callable[[], int] = wall_ms,
        on_outcome: Callable[[str, str], None] = lambda channel, state: None,
    ) -> None:
        """`worker`: its stable name. `channels`: in place of those of the policies, for tests.

        `on_outcome`: as `Deliverer` has it.
        """
        self._now_ms = now_ms
        self._incidents = IncidentNotices(database, NoticeBox(database, now_ms=now_ms), grafana_url=grafana_url)
        made = make_channels(policies.channels) if channels is None else channels
        self._deliverer = Deliverer(Journal(database), policies, made, worker, now_ms=now_ms, on_outcome=on_outcome)

    def run(self, now_ms: int) -> None:
        """Tell what there is to tell. Raises `Unavailable` when the ledger is away.

        By the clock on the wall, whatever `now_ms` is: a demo's company has a clock of its own, its channels have not.
        """
        wall_ms = self._now_ms()
        self._incidents.run(wall_ms)
        self._deliverer.run(wall_ms)

    def close(self) -> None:
        """Wait for what is being sent, so that a graceful stop repeats nothing."""
        self._deliverer.close(CLOSE_S)
