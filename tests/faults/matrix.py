"""All faults, in the order of the table, and how one is run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults import of_brokers, of_ledger, of_workers
from tests.faults.kinds import Fault, Scale
from tests.faults.ledger import LedgerServer
from tests.faults.system import system
from tests.faults.truth import Verdict
from tests.kafka.cluster import Cluster

FAULTS: Final = (*of_workers.FAULTS, *of_brokers.FAULTS, *of_ledger.FAULTS)


@dataclass(frozen=True, slots=True)
class Result:
    """What one fault came to."""

    fault: Fault
    verdict: Verdict
    injected: int
    recoveries: list[float]
    """Seconds."""
    restarts: list[str]
    """Workers that ended by themselves and were started again, with their last words."""
    seconds: float


async def run(fault: Fault, root: Path, kafka: Cluster, ledger: LedgerServer, scale: Scale) -> Result:
    """Do one fault on a system of its own. AssertionError when something never recovers."""
    began = time.monotonic()
    async with system(
        root, kafka, ledger, workers=fault.workers, partitions=fault.partitions, mix=fault.mix, **fault.settings
    ) as here:
        everyone = here.workers
        await fault.inject(here, scale)
    assert here.verdict is not None
    restarts = [f"{worker.name}: {end}" for worker in everyone for end in worker.own_ends]
    return Result(fault, here.verdict, here.injected, here.recoveries, restarts, time.monotonic() - began)
