"""The matrix as tests: in its short form, or in full with SPENDSTREAM_FAULTS=full.

SPENDSTREAM_FAULTS=ci runs those that CI has time for: one of each kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from tests.faults.kinds import Fault, Scale
from tests.faults.matrix import FAULTS, Ground, cannot, ground, mend, run
from tests.kafka.fixtures import need_kafka

pytestmark = pytest.mark.faults

FORM = os.environ.get("SPENDSTREAM_FAULTS", "short")
SCALE = Scale(full=FORM == "full", least=FORM == "ci")
CI = ("worker killed", "worker paused", "broker killed", "answer lost", "partitions added")


CHOSEN = [fault for fault in FAULTS if FORM != "ci" or fault.name in CI]


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Ground]]:
    """Brokers and ledger by number of brokers, started when they are first asked for."""
    need_kafka()
    with contextlib.ExitStack() as stack:
        there: dict[int, Ground] = {}

        def on(nodes: int) -> Ground:
            if nodes not in there:
                there[nodes] = stack.enter_context(ground(tmp_path_factory.mktemp(f"faults-{nodes}"), nodes))
            return there[nodes]

        yield on


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in CHOSEN])
def test_nothing_lost_nothing_doubled(grounds: Callable[[int], Ground], fault: Fault) -> None:
    if reason := cannot(fault):
        pytest.skip(reason)
    on = grounds(fault.nodes)
    try:
        result = asyncio.run(run(fault, on, SCALE))
    except BaseException:
        mend(on)
        raise
    assert result.verdict.lost == 0
    assert result.verdict.doubled == 0
    assert result.verdict.faults == []
    assert result.injected > 0
    assert result.verdict.sent > 0
