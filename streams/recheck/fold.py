"""The ledger's calls, in event order, through one detector: the canonical incidents.

Contract: a function of the set of calls before `until_ms` only: not of their order of arrival, their partitions, the
worker's speed or today's date. All calls go through one detector, as if the topic had one partition: what it knows of
the fleet is the whole fleet.

The fold always begins at the ledger's first call: what is normal for an agent is learned from all that went before.
`from_ms` only chooses which incidents to tell. The clock ends at the ledger's last call, or at `until_ms` if that is
earlier: what is open then is told as open.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.detect import DetectConfig, Detector, Incident
from streams.recheck.read import PAGE, hours, newest_ms, read_calls

if TYPE_CHECKING:
    from streams.cli.reach import Ledger


@dataclass(frozen=True, slots=True)
class Rechecked:
    """`incidents` by (opened_at, id), those that were open at `from_ms` or opened after it. Times in epoch ms.

    `calls` and `unpriced` count the calls from `from_ms` on; `folded` all that were read. `first` and `last` are the
    times of the first and last of `calls`, `as_of` where the clock stood in the end; None without any call.
    """

    incidents: tuple[Incident, ...]
    calls: int
    unpriced: int
    folded: int
    first: int | None
    last: int | None
    as_of: int | None


def recheck(
    ledger: Ledger,
    from_ms: int | None = None,
    until_ms: int | None = None,
    *,
    config: DetectConfig | None = None,
    page: int = PAGE,
) -> Rechecked:
    """Fold the calls with time < `until_ms` and tell the incidents from `from_ms` on.

    Raises `LedgerError` or `Unavailable`.
    """
    detector = Detector(config)
    found: dict[tuple[str, int], Incident] = {}
    folded = calls = unpriced = 0
    first = last = None
    spread = hours(ledger)
    for read in read_calls(ledger, spread, until_ms, page):
        detector.observe(read, [call.cost_pico for call in read])
        _gather(detector, found)
        folded += len(read)
        told = read if from_ms is None else read[bisect_left(read, from_ms, key=lambda call: call.time) :]
        if told:
            first = told[0].time if first is None else first
            last = told[-1].time
            calls += len(told)
            unpriced += sum(call.cost_pico is None for call in told)
    as_of = None
    if folded:
        detector.finish()
        as_of = detector.clock
        if until_ms is not None and until_ms > as_of:
            as_of = min(until_ms, max(as_of, newest_ms(ledger, spread[-1][0])))
            detector.advance(as_of)
    _gather(detector, found)
    # what is open goes on counting after its last change
    found |= {(incident.id, incident.opened_at): incident for incident in detector.incidents}
    kept = [one for one in found.values() if from_ms is None or one.resolved_at is None or one.resolved_at >= from_ms]
    kept.sort(key=lambda one: (one.opened_at, one.id))
    return Rechecked(tuple(kept), calls, unpriced, folded, first, last, as_of)


def _gather(detector: Detector, found: dict[tuple[str, int], Incident]) -> None:
    """Keep each incident as its last change left it."""
    for event in detector.drain():
        found[event.incident.id, event.incident.opened_at] = event.incident
