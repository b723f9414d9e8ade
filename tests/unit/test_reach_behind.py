"""A command on a ledger of an older version says so and what to do, not only the engine's word for a missing column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.cli.older import AT_SERVERS, at_directory
from streams.cli.reach import _fault, _Rows
from streams.errors import LedgerError, OlderLedger
from streams.ledger.migrate import migrations

NUMBERS = [one.number for one in migrations()]


class Lacking(_Rows):
    """A ledger with these migrations, in which one column is missing."""

    def __init__(self, applied: list[int], todo: str = AT_SERVERS) -> None:
        self.applied, self.todo = applied, todo

    def _run(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        if "FROM migrations" in sql:
            return json.dumps({"data": [[self.applied]]}).encode()
        raise _fault("47", "Code: 47. DB::Exception: Unknown expression identifier `new`.")


@pytest.mark.parametrize("ask", ["rows", "text"])
def test_a_ledger_that_is_behind_is_called_so_and_what_to_do(ask: str) -> None:
    ledger = Lacking(NUMBERS[:-2], at_directory(Path("my spend")))
    with pytest.raises(OlderLedger) as caught:
        _ = ledger.rows("SELECT new FROM calls") if ask == "rows" else ledger.text("SELECT new FROM calls", "CSV")
    said = str(caught.value)
    assert said.startswith(
        "the ledger is of an older Spendstream, 2 migrations behind this one: "
        "run `spendstream migrate --embedded 'my spend'`, or start a worker of this version on it"
    )
    assert "`new`" in said


def test_one_migration_is_singular_and_servers_need_no_directory() -> None:
    with pytest.raises(OlderLedger, match=r"1 migration behind this one: run `spendstream migrate`, or"):
        Lacking(NUMBERS[:-1]).rows("SELECT new FROM calls")


def test_a_ledger_that_is_up_to_date_has_no_such_column() -> None:
    with pytest.raises(LedgerError) as caught:
        Lacking(NUMBERS).rows("SELECT new FROM calls")
    assert not isinstance(caught.value, OlderLedger)
