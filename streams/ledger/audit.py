"""Does the ledger add up? Reads it only; works beside a running worker.

    report = audit(reader)      # report.ok, report.findings: what is wrong, and where

The checks, each by name:
    positions   every offset from the start of a partition's life to its last is there exactly once (a gap row speaks
                for the holes that the log itself had), and the calls of a record are numbered without holes
    received    calls received = calls + duplicates + rejects + moved; each moved call has a row where it was sent
    epochs      no row is void (at or beyond a later epoch's start), none is from an epoch that never began
    identities  no call is in the ledger twice
    copies      the call of every duplicate is in the ledger (not asked with retention, which takes the older one)
    roll-ups    the hourly projection equals the rows added up, and is what the engine really reads
    position    the position that a restart would go on from equals the largest offset of the rows

Rows that a worker writes meanwhile are left out of `positions` and `received`: both look at what was there at first.
Memory does not grow with the ledger: the engine adds up, in stretches of `STRETCH` offsets and shares of `SHARE` calls.
Not findings but warnings: one id used by a router for several calls (it breaks the contract: such calls count as many).

Also warnings: rows that are gone from a life whose log was read again from there on (`spendstream replay --topic`).

Limit: with retention the engine drops the oldest rows, whose positions nobody can check any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from streams.ledger.sqlfiles import named_query

STRETCH = 500_000
"""Offsets looked at in one query: about 100 MB in the engine."""
SHARE = 1_000_000
"""Calls whose identities are compared in one query: about 100 MB in the engine."""
PATIENCE = 40
"""How often to look again for moved calls that a running worker may not have written yet."""


class Reader(Protocol):
    """Read access to the ledger (`streams.cli.reach.Ledger`); blocks."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows of a query."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    check: str
    where: str
    what: str


@dataclass(slots=True)
class Counts:
    """Rows by outcome; `received` is counted by position, not added up from the others."""

    records: int = 0
    received: int = 0
    calls: int = 0
    duplicates: int = 0
    rejects: int = 0
    moved: int = 0
    gaps: int = 0


@dataclass(slots=True)
class AuditReport:
    """What was looked at, and what is wrong."""

    counts: Counts = field(default_factory=Counts)
    lives: list[dict[str, int]] = field(default_factory=list)
    """Each life (incarnation) of each partition: incarnation, partition, first, last, rows."""
    findings: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing is wrong; warnings do not count."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {
            "ok": self.ok,
            **asdict(self.counts),
            "findings": [asdict(finding) for finding in self.findings],
            "warnings": [asdict(warning) for warning in self.warnings],
            "partitions": self.lives,
        }


def audit(reader: Reader, *, pause: Callable[[], None] = lambda: None) -> AuditReport:
    """Check everything. `pause` waits a moment (a quarter of a second, say) while a worker may still be writing.

    Raises `LedgerError` or `Unavailable` when the ledger cannot be read.
    """
    report = AuditReport()
    heads = reader.rows(named_query("audit_heads"))
    has_retention = _has_retention(reader)
    read_again = _read_again(reader)
    for incarnation, partition, start, first, last, rows in heads:
        report.lives.append(
            {"incarnation": incarnation, "partition": partition, "first": first, "last": last, "rows": rows}
        )
        if start is None:
            report.findings.append(Finding("epochs", _life(incarnation, partition), "has rows, but no epoch began"))
        from_offset = first if start is None or has_retention else min(int(start), int(first))
        again = read_again.get((int(partition), int(incarnation)))
        _positions(reader, report, int(incarnation), int(partition), from_offset, int(last), again)
    counts = report.counts
    named = counts.calls + counts.duplicates + counts.rejects + counts.moved
    if counts.received != named:
        report.findings.append(
            Finding("received", "ledger", f"{counts.received} positions hold calls, but outcomes add up to {named}")
        )
    shares = counts.calls // SHARE + 1
    _moved(reader, report, shares, pause)
    _epochs(reader, report)
    _identities(reader, report, shares)
    if counts.duplicates and not has_retention:
        _copies(reader, report, shares)
    if heads:
        _roll_ups(reader, report)
        _position(reader, report)
    return report


def _has_retention(reader: Reader) -> bool:
    found = reader.rows("SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'intake'")
    return bool(found) and " TTL " in str(found[0][0])


def _read_again(reader: Reader) -> dict[tuple[int, int], int]:
    """From which offset on a life was read again in full, as a later one, by (partition, incarnation)."""
    there = reader.rows("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'replays'")
    if not there[0][0]:
        return {}
    rows = reader.rows(named_query("audit_read_again"))
    return {(int(partition), int(incarnation)): int(start) for partition, incarnation, start in rows}


def _life(incarnation: int, partition: int) -> str:
    return f"partition {partition}, incarnation {incarnation}"


def _positions(
    reader: Reader,
    report: AuditReport,
    incarnation: int,
    partition: int,
    from_offset: int,
    last: int,
    read_again_from: int | None,
) -> None:
    """`read_again_from`: rows that are missing from there on were read again, and stand in a later life."""
    after = from_offset - 1
    counts = report.counts
    for first in range(from_offset, last + 1, STRETCH):
        place = {
            "partition": partition,
            "incarnation": incarnation,
            "first": first,
            "end": min(first + STRETCH, last + 1),
            "after": after,
        }
        [row] = reader.rows(named_query("audit_stretch"), place)
        records, _, calls, duplicates, rejects, moved, gaps, positions, reached, *faults = row
        counts.records += records - gaps
        counts.received += positions - gaps
        counts.calls += calls
        counts.duplicates += duplicates
        counts.rejects += rejects
        counts.moved += moved
        counts.gaps += gaps
        if records:
            after = max(after, int(reached))
        for number, examples, what in zip(faults[0::2], faults[1::2], _POSITION_FAULTS, strict=True):
            if number:
                at = ", ".join(_offset(example) for example in examples)
                where = f"{_life(incarnation, partition)}, offset {at}"
                begins = [example[0] if isinstance(example, list | tuple) else example for example in examples]
                mended = what in _MISSING and read_again_from is not None and min(map(int, begins)) >= read_again_from
                listed = report.warnings if mended else report.findings
                more = f"; the log was read again from {read_again_from} on" if mended else ""
                listed.append(Finding("positions", where, f"{what} ({number} times){more}"))
    if after < last:
        where = f"{_life(incarnation, partition)}, offset {after + 1}-{last}"
        report.findings.append(Finding("positions", where, "no row speaks for these offsets"))


_POSITION_FAULTS = (
    "more than one row at a position",
    "the calls of a record are not numbered 0, 1, 2, ...",
    "no row speaks for these offsets",
    "a gap row reaches into offsets that have rows",
)
"""In the order of the columns of `audit_stretch.sql`."""

_MISSING = frozenset(_POSITION_FAULTS[1:3])
"""Rows that are gone: what a replay of the log makes good."""


def _offset(example: Any) -> str:
    if isinstance(example, list):
        return str(example[0]) if example[0] == example[1] else f"{example[0]}-{example[1]}"
    return str(example)


def _place(place: list[int]) -> str:
    incarnation, partition, offset, item = place
    return f"partition {partition}, incarnation {incarnation}, offset {offset}, item {item}"


def _moved(reader: Reader, report: AuditReport, shares: int, pause: Callable[[], None]) -> None:
    if not report.counts.moved:
        return
    for share in range(shares):
        place = {"share": share, "shares": shares}
        missing = reader.rows(named_query("audit_moved"), place)
        for _ in range(PATIENCE):
            if not missing:
                break
            # Sent on a moment ago, perhaps: the row where it arrived comes with a later insert.
            pause()
            missing = reader.rows(named_query("audit_moved"), place)
        for source, id_, moved, arrived, places in missing:
            what = f"call {id_!r} of source {source!r} was sent on {moved} times and arrived {arrived} times"
            report.findings.append(Finding("received", _place(places[0]), what))


def _epochs(reader: Reader, report: AuditReport) -> None:
    for row in reader.rows(named_query("audit_epochs")):
        partition, incarnation, epoch, rows, first, last, start, voided_from = row
        where = f"{_life(incarnation, partition)}, epoch {epoch}"
        if voided_from is not None and last >= voided_from:
            what = f"has rows through offset {last}, but a later epoch began at {voided_from}: from there they are void"
            report.findings.append(Finding("epochs", where, what))
        if start is None:
            report.findings.append(Finding("epochs", where, f"wrote {rows} rows, but never began there"))
        elif first is not None and first < start:
            report.findings.append(Finding("epochs", where, f"wrote at offset {first}, before its start at {start}"))


def _identities(reader: Reader, report: AuditReport, shares: int) -> None:
    for share in range(shares):
        place = {"share": share, "shares": shares}
        [[suspects]] = reader.rows(named_query("audit_suspects"), place)
        if not suspects:
            continue
        for source, id_, rows, same, different, places in reader.rows(named_query("audit_doubled"), place):
            name = f"call {id_!r} of source {source!r}"
            if same > 1:
                what = f"{name} is in the ledger {rows} times"
                report.findings.append(Finding("identities", _place(places[0]), what))
            elif different > 1:
                what = f"{name} came {different} times within an hour with another time or key: one id, several calls"
                report.warnings.append(Finding("identities", _place(places[0]), what))


def _copies(reader: Reader, report: AuditReport, shares: int) -> None:
    for share in range(shares):
        for source, id_, rows, places in reader.rows(named_query("audit_orphans"), {"share": share, "shares": shares}):
            what = f"call {id_!r} of source {source!r} came as a copy ({rows} times), but the ledger has no such call"
            report.findings.append(Finding("copies", _place(places[0]), what))


def _roll_ups(reader: Reader, report: AuditReport) -> None:
    _is_read(reader, report, "roll-ups", "audit_rollup", "by_hour")
    for hour, *group, rolled_calls, calls, rolled_cost, cost in reader.rows(named_query("audit_rollup")):
        where = f"hour {hour}, " + "/".join(str(value) or "-" for value in group)
        what = f"rolls up {rolled_calls} calls and {rolled_cost} USD, the rows say {calls} and {cost}, or tokens differ"
        report.findings.append(Finding("roll-ups", where, what))


def _position(reader: Reader, report: AuditReport) -> None:
    _is_read(reader, report, "position", "audit_position", "by_position")
    for partition, incarnation, projected, last, projected_rows, rows in reader.rows(named_query("audit_position")):
        what = f"the projection says {projected} after {projected_rows} rows, the rows say {last} after {rows}"
        report.findings.append(Finding("position", _life(incarnation, partition), what))


def _is_read(reader: Reader, report: AuditReport, check: str, query: str, projection: str) -> None:
    """A comparison with a projection that the engine does not read would compare the rows with themselves."""
    plan = "\n".join(str(row[0]) for row in reader.rows("EXPLAIN " + named_query(query)))
    if f"({projection})" not in plan:
        what = f"the engine does not read the projection {projection}, so it could not be compared with the rows"
        report.warnings.append(Finding(check, "intake", what))
