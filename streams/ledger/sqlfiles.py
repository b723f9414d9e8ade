"""Finds the SQL files: beside the packages in a checkout, inside the package in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from streams.errors import LedgerError

_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parents[1] / "_sql", _HERE.parents[2] / "sql")


def _find() -> Path:
    for place in _PLACES:
        if (place / "migrations").is_dir():
            return place
    raise LedgerError("the SQL files are missing from this installation; looked in " + ", ".join(map(str, _PLACES)))


SQL = _find()


@cache
def named_query(name: str) -> str:
    """The text of `sql/queries/<name>.sql`."""
    path = SQL / "queries" / f"{name}.sql"
    if not path.is_file():
        raise LedgerError(f"there is no query named {name!r} in {SQL / 'queries'}")
    return path.read_text("utf-8")
