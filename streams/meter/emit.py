"""Cells to records of `spendstream.usage`: absolute sums, one record for each partition of the topic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from schemas.usage import UsageStruct, encode_usage
from streams.meter.route import Router
from streams.meter.steps import PartitionMeter
from streams.meter.sums import Touched
from streams.meter.tiers import TIERS
from streams.money import PICO

_TIERS = np.array(TIERS, dtype=object)

MAX_CELLS = 5_000
"""Cells of one record: about 100 bytes each and a short name, half of Kafka's default limit of 1 MB a record."""

MAX_BYTES = 900_000
"""Of one record's value. Names may have 256 characters, so cells alone do not bound it; what is longer is halved. A
record above the broker's limit would be refused for ever."""


def usage_records(meter: PartitionMeter, through: int, cells: Touched, router: Router) -> Iterator[tuple[int, bytes]]:
    """(partition of the usage topic, value) for each record. All cells of an agent go to one partition.

    `through`: the last offset of the meter's partition that the totals hold. `cells.cold` must be empty by now.
    """
    partitions = router.partition_of_each(cells.agents)[cells.agent]
    for partition in np.unique(partitions).tolist():
        at = np.flatnonzero(partitions == partition)
        todo = [at[start : start + MAX_CELLS] for start in range(0, len(at), MAX_CELLS)]
        while todo:
            part = todo.pop()
            value = _record(meter, through, cells, part)
            if len(value) > MAX_BYTES and len(part) > 1:
                todo += [part[: len(part) // 2], part[len(part) // 2 :]]
            else:
                yield partition, value


def _record(meter: PartitionMeter, through: int, cells: Touched, part: npt.NDArray[np.int64]) -> bytes:
    numbers, agent = np.unique(cells.agent[part], return_inverse=True)
    columns = cells.totals[part].T.tolist()
    return encode_usage(
        UsageStruct(
            v=1,
            incarnation=meter.incarnation,
            source_partition=meter.partition,
            epoch=meter.epoch,
            through_offset=through,
            watermark_ms=meter.watermark_ms,
            agents=[cells.agents[number] for number in numbers.tolist()],
            agent=agent.tolist(),
            tier=_TIERS[cells.tier[part]].tolist(),
            second=cells.second[part].tolist(),
            calls=columns[0],
            errors=columns[1],
            input_tokens=columns[2],
            output_tokens=columns[3],
            cache_read_input_tokens=columns[4],
            cache_write_input_tokens=columns[5],
            reasoning_output_tokens=columns[6],
            unpriced=columns[7],
            cost_pico_usd=[dollars * PICO + rest for dollars, rest in zip(columns[8], columns[9], strict=True)],
        )
    )
