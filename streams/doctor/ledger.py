"""The ledger: does it answer, which version, may we write, are the migrations in, does it keep up with the log.

Asked through the same read-only door as `report` and `sql`, so it is the same for a server and an embedded directory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streams.counted import counted
from streams.doctor.finding import Finding, Level
from streams.doctor.local import disk_finding
from streams.errors import LedgerError, SpendstreamError, Unavailable
from streams.ledger.migrate import Migration, migrations
from streams.ledger.sqlfiles import named_query

if TYPE_CHECKING:
    from streams.cli.reach import Ledger

TESTED = (26, 8)
"""The oldest ClickHouse that the tests have passed with."""

CLOCK_S = 2.0
"""Epochs and ingestion times of several machines are compared: some seconds apart do no harm, minutes do."""

RIGHTS = ("SELECT", "INSERT", "CREATE TABLE", "CREATE VIEW", "ALTER TABLE")
"""What a worker needs on its database (the last three to migrate)."""

MUCH_LAG = 100_000


def look(ledger: Ledger, *, server: bool, ends: Mapping[int, tuple[int, int]] | None, todo: str) -> list[Finding]:
    """All findings. `server`: it has users and disks of its own; `ends`: (first, end) offset of calls by partition,
    None when the broker could not be asked; `todo`: what brings an older ledger up to date."""
    try:
        [[version, database, clock]] = ledger.rows("SELECT version(), currentDatabase(), now64(3)")
    except Unavailable as error:
        todo = "start ClickHouse, or set SPENDSTREAM_CLICKHOUSE_URL (http://user:password@host:8123/database)"
        return [Finding("database", "fail", str(error), todo)]
    except SpendstreamError as error:
        return [Finding("database", "fail", str(error), _advice(str(error), todo))]
    findings = [judge_version(str(version))]
    findings.append(judge_clock(str(clock), datetime.now(UTC)))
    if server:
        findings.append(_rights(ledger, str(database)))
        findings += _disks(ledger)
    try:
        applied = _applied(ledger)
        findings.append(judge_migrations(applied, migrations(), todo))
        if findings[-1].level == "fail" or not applied:
            return findings
        [[calls, _, last]] = ledger.rows(named_query("report_extent"))
        findings.append(_calls(int(calls), str(last)))
        if ends is not None:
            held = {int(part): int(after) for part, _, after in ledger.rows(named_query("log_positions"))}
            findings.append(judge_position(held, ends))
    except SpendstreamError as error:
        findings.append(Finding("ledger", "fail", str(error), _advice(str(error), todo)))
    return findings


def judge_version(version: str) -> Finding:
    """Whether it is as new as what the tests ran on."""
    parts = version.split(".")
    number = tuple(int(part) for part in parts[:2] if part.isdigit())
    if number >= TESTED:
        return Finding("database", "ok", f"ClickHouse {version}")
    oldest = ".".join(map(str, TESTED))
    what = f"ClickHouse {version}; the oldest that was tested is {oldest}"
    return Finding("database", "warn", what, f"upgrade to {oldest} or newer")


def judge_clock(theirs: str, now: datetime) -> Finding:
    """`theirs`: RFC 3339. The answer's own way counts too, which is far below the bound."""
    apart = (datetime.fromisoformat(theirs) - now).total_seconds()
    what = f"{abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} this machine's"
    if abs(apart) <= CLOCK_S:
        return Finding("clock of the database", "ok", what)
    level: Level = "fail" if abs(apart) > 30 * CLOCK_S else "warn"
    return Finding("clock of the database", level, what, "run NTP on both machines")


def judge_migrations(applied: Mapping[int, str], known: Sequence[Migration], todo: str) -> Finding:
    """`applied`: hash by number, empty when there is no ledger yet. `todo`: what brings it up to date."""
    check = "migrations"
    newest = max((one.number for one in known), default=0)
    if applied and max(applied) > newest:
        what = f"the ledger is at {max(applied):04d}, this version knows {newest:04d}"
        return Finding(check, "fail", what, "use the newer spendstream that wrote it")
    changed = [one for one in known if applied.get(one.number, one.sha256) != one.sha256]
    if changed:
        names = ", ".join(f"{one.number:04d}_{one.name}" for one in changed)
        return Finding(check, "fail", f"applied in another form: {names}", "restore the files of this installation")
    pending = [f"{one.number:04d}_{one.name}" for one in known if one.number not in applied]
    if not applied:
        return Finding(check, "fail", "this database has no ledger yet", todo)
    if pending:
        return Finding(check, "warn", f"not applied yet: {', '.join(pending)}", todo)
    return Finding(check, "ok", f"all {len(known)} applied")


def judge_position(held: Mapping[int, int], ends: Mapping[int, tuple[int, int]]) -> Finding:
    """`held`: the first offset that the ledger does not hold, by partition; `ends`: the log's (first, end) offsets."""
    check = "ledger against log"
    lost = sum(max(0, first - held[part]) for part, (first, _) in ends.items() if part in held)
    if lost:
        what = f"{lost:,} records were deleted by the broker before the ledger held them"
        return Finding(check, "fail", what, "raise the retention of the topic; publish these calls again if you can")
    ahead = sum(held[part] > end for part, (_, end) in ends.items() if part in held)
    if ahead:
        what = f"the ledger is ahead of the log in {counted(ahead, 'partition')}: the topic was made again"
        return Finding(
            check, "warn", what, "nothing, if it was on purpose: a worker begins a new incarnation by itself"
        )
    behind = sum(end - held.get(part, first) for part, (first, end) in ends.items())
    if behind >= MUCH_LAG:
        return Finding(check, "warn", f"{behind:,} records behind", "see the finding of the group")
    return Finding(check, "ok", f"{behind:,} records behind")


def _calls(calls: int, last_hour: str) -> Finding:
    if not calls:
        todo = "connect a router (docs/connect.md), or try `spendstream replay`"
        return Finding("ledger", "warn", "holds no call yet", todo)
    return Finding("ledger", "ok", f"holds {calls:,} calls, the newest of the hour {last_hour}")


def _applied(ledger: Ledger) -> dict[int, str]:
    [[there]] = ledger.rows(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'"
    )
    if not int(there):
        return {}
    rows = ledger.rows("SELECT number, any(sha256) FROM migrations GROUP BY number")
    return {int(number): str(sha) for number, sha in rows}


def _rights(ledger: Ledger, database: str) -> Finding:
    [[user]] = ledger.rows("SELECT currentUser()")
    missing = []
    try:
        for right in RIGHTS:
            [[allowed]] = ledger.rows(f"CHECK GRANT {right} ON `{database}`.*")
            if not int(allowed):
                missing.append(right)
    except LedgerError as error:
        if "READONLY" in str(error):
            todo = "nothing, if only reports read through it; a worker needs the address of a server"
            return Finding("rights", "warn", "this address only reads (an embedded ledger's)", todo)
        return Finding("rights", "warn", f"cannot be asked: {error}", f"look at SHOW GRANTS FOR {user}")
    if not missing:
        return Finding("rights", "ok", f"{user} may do all that a worker does")
    todo = (
        f"GRANT {', '.join(missing)} ON {database}.* TO {user} (a worker's user; one that only reads is fine without)"
    )
    return Finding("rights", "warn", f"{user} may not: {', '.join(missing)}", todo)


def _disks(ledger: Ledger) -> list[Finding]:
    try:
        rows = ledger.rows(
            "SELECT name, free_space, total_space FROM system.disks WHERE type = 'Local' OR type = 'local'"
        )
    except LedgerError:
        return []  # a user that may not see system.disks; the server's own monitoring does
    return [disk_finding(f"of the database ({name})", int(free), int(total)) for name, free, total in rows]


def _advice(message: str, todo: str) -> str:
    if "AUTHENTICATION" in message or "REQUIRED_PASSWORD" in message:
        return "put the right user and password into SPENDSTREAM_CLICKHOUSE_URL"
    if "UNKNOWN_DATABASE" in message or "UNKNOWN_TABLE" in message:
        return todo
    if "ACCESS_DENIED" in message or "Not enough privileges" in message:
        return "grant this user SELECT on the database"
    return "read the message; the database's own log has more"
