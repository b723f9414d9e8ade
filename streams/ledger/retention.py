"""How long the ledger keeps rows: whole months of ingestion, dropped by the engine in the background."""

from __future__ import annotations

from streams.ledger.client import Database

_TABLES = ("intake", "adjustments")
"""Tables with an `ingested_at`; an adjustment has its call's, so that both go together."""


def apply_retention(database: Database, days: int) -> None:
    """Drop rows whose ingestion is older than `days` days; 0 keeps all. Runs only when the setting changed.

    The ledger is read by event time, but kept by ingestion time: a late call lives as long as any other.
    """
    for table in _TABLES:
        rows = database.rows(
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
            {"table": table},
        )
        now = str(rows[0][0]) if rows else ""
        wanted = f"TTL toDateTime(ingested_at) + toIntervalDay({days})" if days else ""
        has_ttl = " TTL " in now
        if wanted and wanted not in now:
            database.command(f"ALTER TABLE {table} MODIFY {wanted} SETTINGS materialize_ttl_after_modify = 0")
            database.command(f"ALTER TABLE {table} MODIFY SETTING ttl_only_drop_parts = 1")
        elif not wanted and has_ttl:
            database.command(f"ALTER TABLE {table} REMOVE TTL")
