"""Sums of one second or window, where the rows of a part all lie within it: the engine must not prune the part away."""

from __future__ import annotations

import pytest

from streams.ledger.store import LedgerStore
from streams.meter.rows import ledger_table
from streams.meter.sums import CellKey
from streams.meter.tiers import load_tiers
from tests.fakes import BASE_MS, Steps, batch_of, call, partition_meter

SECOND = BASE_MS // 1000


@pytest.fixture
def filled(store: LedgerStore) -> LedgerStore:
    """One part whose only call is 54 ms into its second."""
    epoch = store.fence(0, "test")
    store.record_start(0, epoch, 1, 0, "test", "")
    metered = Steps().run(partition_meter(epoch=epoch), batch_of(call("a", time=BASE_MS + 54)))
    columns, data = ledger_table([metered], BASE_MS)
    store.write(columns, data, "token")
    return store


def test_a_cell_is_found_whose_calls_all_lie_within_its_second(filled: LedgerStore) -> None:
    totals = filled.cell_totals(0, [CellKey("agent", load_tiers().tier("openai", "gpt-4o"), SECOND)])
    assert totals[0, :4].tolist() == [1, 0, 1000, 100]


@pytest.mark.parametrize("agent", [None, "agent"])
def test_a_window_is_found_whose_calls_all_lie_within_its_last_second(filled: LedgerStore, agent: str | None) -> None:
    rows = filled.usage_windows(1, SECOND, SECOND + 1, agent)
    assert [(row.start, row.agent_id, row.totals[0]) for row in rows] == [(SECOND, "agent", 1)]
    assert filled.usage_windows(1, SECOND + 1, SECOND + 2, agent) == []
