"""The canonical incidents beside those of the watcher: what is missing there, what is too much, what differs.

The same calls give the same incidents in both, as long as they came in order within the detector's bound. What may
differ: calls that came late were looked at late; a watch that began without a state knows the ledger's last days only;
what people resolved by hand. Not compared: the end of what is still open here (live, the clock runs on), and running
totals of what is open there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.detect import Incident
from streams.ledger.sqlfiles import named_query
from streams.recheck.tell import incident_json

if TYPE_CHECKING:
    from streams.cli.reach import Ledger

ALWAYS = (
    "kind",
    "severity",
    "agent_id",
    "run_id",
    "first_call_id",
    "first_time",
    "opened_at",
    "calls_before_open",
    "cost_before_open",
)
WHEN_OVER = ("state", "resolved_at", "reopened", "calls", "cost_usd")
"""Compared where both say that it is over and nobody said so by hand."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`watched` False: nobody ever watched this ledger, and nothing was compared."""

    watched: bool
    missing: tuple[str, ...] = ()
    """Canonical incidents that the watcher does not have."""
    extra: tuple[str, ...] = ()
    """Incidents of the watcher that are not canonical."""
    differing: Mapping[str, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    """Incident -> field -> (canonical, live)."""

    @property
    def same(self) -> bool:
        """Nothing differs."""
        return self.watched and not (self.missing or self.extra or self.differing)

    def as_json(self) -> dict[str, Any] | None:
        """JSON's own types; None when nobody watched."""
        if not self.watched:
            return None
        return {
            "missing": list(self.missing),
            "extra": list(self.extra),
            "differing": {
                id_: {name: {"recheck": a, "live": b} for name, (a, b) in fields.items()}
                for id_, fields in self.differing.items()
            },
        }


def differ(
    canonical: Sequence[Incident], live: Sequence[Mapping[str, Any]], by_hand: frozenset[str] = frozenset()
) -> Difference:
    """Compare. `live`: as `streams.watch.told.incidents_between` gives them; `by_hand`: resolved by people."""
    here = {one.id: incident_json(one) for one in canonical}
    there = {str(one["id"]): one for one in live}
    differing: dict[str, dict[str, tuple[Any, Any]]] = {}
    for id_ in sorted(here.keys() & there.keys()):
        one, other = here[id_], there[id_]
        is_over = one["state"] == "resolved" and id_ not in by_hand
        names = (*ALWAYS, *(WHEN_OVER if is_over else ()))
        found = {name: (one[name], other[name]) for name in names if one[name] != other[name]}
        if found:
            differing[id_] = found
    return Difference(
        True, tuple(sorted(here.keys() - there.keys())), tuple(sorted(there.keys() - here.keys())), differing
    )


def read_difference(
    ledger: Ledger, canonical: Sequence[Incident], from_ms: int | None, as_of: int | None
) -> Difference:
    """Compare the canonical incidents with the ledger's own, of those that opened from `from_ms` through `as_of`."""
    from streams.watch.told import incidents_between, read_progress

    [[tables]] = ledger.rows(named_query("watch_tables"))
    if not int(tables) or not read_progress(ledger):
        return Difference(False)
    first = 0 if from_ms is None else from_ms
    live = incidents_between(ledger, first, 2**42 if as_of is None else as_of)
    by_hand = frozenset(str(row[0]) for row in ledger.rows(named_query("incidents_resolved_by_hand")))
    return differ([one for one in canonical if one.opened_at >= first], live, by_hand)


def in_words(found: Difference) -> str:
    """A line or more for people."""
    if not found.watched:
        return "nobody watched these calls live: there is nothing to compare with"
    if found.same:
        return "the watcher's incidents are the same"
    lines = [f"not among the watcher's: {id_}" for id_ in found.missing]
    lines += [f"only among the watcher's: {id_}" for id_ in found.extra]
    for id_, fields in found.differing.items():
        what = "; ".join(f"{name} {one} here, {other} live" for name, (one, other) in fields.items())
        lines.append(f"differs: {id_}: {what}")
    return "\n".join(lines)
