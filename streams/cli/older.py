"""A ledger that an older Spendstream made: what a command says of it, and what to do."""

from __future__ import annotations

from pathlib import Path

from streams.counted import counted
from streams.errors import OlderLedger

AT_SERVERS = "run `spendstream migrate`, or start a worker of this version on it"
AT_WORKER = "its worker is older too: stop it, and start it again with this version"


def at_directory(embedded: Path) -> str:
    """What to do about the ledger of a directory that nobody runs on."""
    from streams.alert.words import quoted

    return f"run `spendstream migrate --embedded {quoted(str(embedded))}`, or start a worker of this version on it"


def todo_at(embedded: Path | None) -> str:
    """What to do about an older ledger of `embedded`, run by somebody or not, or of the servers."""
    from streams.embedded.directory import find_running

    if embedded is None:
        return AT_SERVERS
    return at_directory(embedded) if find_running(embedded) is None else AT_WORKER


def older(missing: int, todo: str, lacks: str = "") -> OlderLedger:
    """`missing`: migrations. `todo`: what to do. `lacks`: what the engine says of the first thing that it lacks."""
    behind = f"the ledger is of an older Spendstream, {counted(missing, 'migration')} behind this one: {todo}"
    return OlderLedger(f"{behind} ({lacks})" if lacks else behind)
