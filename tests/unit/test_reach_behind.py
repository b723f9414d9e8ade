"""A command on a ledger of an older version says so, in place of the engine's word for a missing column alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from streams.cli.reach import _fault, _Rows
from streams.errors import LedgerError
from streams.ledger.migrate import migrations


class Lacking(_Rows):
    """A ledger with these migrations, in which one column is missing."""

    def __init__(self, applied: list[int]) -> None:
        self.applied = applied

    def text(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        if "FROM migrations" in sql:
            return json.dumps({"data": [[self.applied]]}).encode()
        raise _fault("47", "Code: 47. DB::Exception: Unknown expression identifier `new`.")


def test_a_ledger_that_is_behind_is_called_so() -> None:
    numbers = [one.number for one in migrations()]
    with pytest.raises(LedgerError, match=r"(?s)`new`.*older Spendstream \(2 migrations behind\).*spendstream migrate"):
        Lacking(numbers[:-2]).rows("SELECT new FROM calls")


def test_a_ledger_that_is_up_to_date_has_no_such_column() -> None:
    with pytest.raises(LedgerError) as caught:
        Lacking([one.number for one in migrations()]).rows("SELECT new FROM calls")
    assert "older" not in str(caught.value)
