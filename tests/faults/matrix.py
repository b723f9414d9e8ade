"""All faults, in the order of the table, and how one is run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults import of_brokers, of_input, of_ledger, of_topics, of_workers
from tests.faults.kinds import Fault, Scale
from tests.faults.ledger import LedgerServer, disks_can_be_had
from tests.faults.proxy import Proxy
from tests.faults.system import system
from tests.faults.truth import Verdict
from tests.kafka.cluster import Cluster, Listener

FAULTS: Final = (
    *of_workers.FAULTS,
    *of_brokers.FAULTS,
    *of_ledger.FAULTS,
    *of_topics.FAULTS,
    *of_input.FAULTS,
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What systems are built on: brokers, with a proxy before the first, and the ledger's server."""

    root: Path
    kafka: Cluster
    ledger: LedgerServer
    network: Proxy


@contextlib.contextmanager
def ground(root: Path, nodes: int) -> Iterator[Ground]:
    """Start it all; whoever breaks some of it mends it."""
    with Proxy(0) as network:
        listener = Listener("PROXIED", advertised=[network.port] * nodes)
        with Cluster(root / "kafka", nodes, listeners=[listener]) as kafka, LedgerServer(root / "ledger") as ledger:
            network.target = kafka.ports("PROXIED")[0]
            yield Ground(root, kafka, ledger, network)


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


async def run(fault: Fault, on: Ground, scale: Scale) -> Result:
    """Do one fault on a system of its own. AssertionError when something never recovers."""
    began = time.monotonic()
    async with (
        _ledger(fault, on) as ledger,
        system(
            on.root,
            on.kafka,
            ledger,
            workers=fault.workers,
            partitions=fault.partitions,
            mix=fault.mix,
            network=on.network if fault.network else None,
            **fault.settings,
        ) as here,
    ):
        everyone = here.workers
        await fault.inject(here, scale)
    assert here.verdict is not None
    restarts = [f"{worker.name}: {end}" for worker in everyone for end in worker.own_ends]
    return Result(fault, here.verdict, here.injected, here.recoveries, restarts, time.monotonic() - began)


@contextlib.asynccontextmanager
async def _ledger(fault: Fault, on: Ground) -> AsyncIterator[LedgerServer]:
    """The ground's, or one on a disk of its own."""
    if fault.room is None:
        yield on.ledger
        return
    with LedgerServer(on.root / "ledger-with-a-disk", room=fault.room) as ledger:
        yield ledger


def cannot(fault: Fault) -> str:
    """Why this machine cannot do a fault; empty when it can."""
    if fault.room is not None and not disks_can_be_had():
        return "no disk of its own can be mounted here (unshare, user namespaces)"
    return ""


def mend(on: Ground) -> None:
    """After a fault that failed: everything up again for the next one."""
    on.network.mend()
    on.network.delay_s = 0.0
    for node in on.kafka.nodes:
        if node.running:
            node.resume()
        else:
            node.start()
            node.wait()
    on.ledger.stop()
    on.ledger.start()
