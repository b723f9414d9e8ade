"""Records what a worker starts with, when it differs from what was recorded last: prices, budgets, plans, tiers,
policies (each an operator's file) and the version of the software.

The ledger then tells who asks "since when does this price hold?" which file held when, word for word, and the boards
show changes as annotations. A file counts from the moment a worker starts with it, as that is when it is read.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from streams.config import Settings
from streams.counted import counted
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query

SECRET: Final = frozenset({"policies"})
"""Files whose text is not kept: they may name secrets. Their digest is."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing as a worker found it. `digest` empty: there is no such file."""

    what: str
    name: str
    digest: str
    content: str


def found_in(settings: Settings) -> list[Found]:
    """What a worker with these settings starts with. Reads the files. Raises `OSError`."""
    files: Mapping[str, Path | None] = {
        what: getattr(settings, f"{what}_file", None) for what in ("prices", "tiers", "plans", "budgets", "policies")
    }
    found = [Found("version", "spendstream", version("spendstream"), "")]
    for what, path in files.items():
        if path is None:
            found.append(Found(what, "", "", ""))
            continue
        text = path.read_bytes()
        content = "" if what in SECRET else text.decode("utf-8", "replace")
        found.append(Found(what, path.name, hashlib.sha256(text).hexdigest(), content))
    return found


class ChangesDuty:
    """A `streams.duties.Duty`: once recorded, it has nothing to do."""

    name = "changes"
    every_s = 3600.0

    def __init__(self, database: Database, found: Sequence[Found], worker: str) -> None:
        self._database = database
        self._found = tuple(found)
        self._worker = worker

    def run(self, now_ms: int) -> None:
        """Record what differs from the latest record."""
        known = {
            str(what): (str(id_), str(digest), str(content))
            for what, id_, digest, content in self._database.rows(named_query("changes_latest"))
        }
        for one in self._found:
            before = known.get(one.what)
            if before is None and not one.digest:
                continue  # never had one, has none
            if before is not None and before[1] == one.digest:
                continue
            self._record(one, before, now_ms)

    def _record(self, one: Found, before: tuple[str, str, str] | None, now_ms: int) -> None:
        id_ = hashlib.sha256("\0".join((one.what, one.digest, before[0] if before else "")).encode()).hexdigest()[:24]
        self._database.command(
            "INSERT INTO change_rows (id, what, name, digest, text, content, worker, at) SELECT {id:String}, "
            "{what:String}, {name:String}, {digest:String}, {text:String}, {content:String}, {worker:String}, "
            "fromUnixTimestamp64Milli({at:Int64}, 'UTC')",
            {
                "id": id_,
                "what": one.what,
                "name": one.name,
                "digest": one.digest,
                "text": words(one, before),
                "content": one.content,
                "worker": self._worker,
                "at": now_ms,
            },
        )


def words(one: Found, before: tuple[str, str, str] | None) -> str:
    """What changed, in words; empty for the very first record, which changes nothing."""
    if before is None:
        return ""
    if one.what == "version":
        return f"Spendstream {before[1]} replaced by {one.digest}"
    if not one.digest:
        return f"the file of {one.what} is not set any more"
    if not before[1]:
        return f"{one.name} sets {one.what} from now on"
    if one.what in SECRET:
        return f"{one.name} changed"
    lines = list(difflib.unified_diff(before[2].splitlines(), one.content.splitlines(), lineterm="", n=0))[2:]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    removed = [line[1:].strip() for line in lines if line.startswith("-")]
    shown = "; ".join(line for line in added if line and not line.startswith("#"))
    figures = f"{counted(len(added), 'line')} in, {len(removed)} out"
    return f"{one.name} changed: {figures}" + (f": {shown[:300]}" if shown else "")
