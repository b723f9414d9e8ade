"""A log that is read again: where, and what of it the ledger has already.

Calls need nothing: the ledger knows their identities, and what it has becomes a duplicate. Rejects have no identity but
their place in the log, so those of the lives before are known by it, and become duplicates too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.meter.rows import DUPLICATE, Refused

_ITEM_BITS = 16  # a record has at most 50,000 parts

DETAIL = "the ledger has this reject from an earlier reading of the log"


class KnownRejects:
    """Places of rejects with the arrival of their records; 16 bytes each."""

    def __init__(
        self, offset: npt.NDArray[np.int64], item: npt.NDArray[np.int64], arrived: npt.NDArray[np.int64]
    ) -> None:
        """Columns of one length, in any order; `arrived`: epoch ms."""
        key = (offset << _ITEM_BITS) | item
        order = np.lexsort((arrived, key))
        self._key, self._arrived = key[order], arrived[order]

    def __len__(self) -> int:
        return len(self._key)

    def has(self, offset: int, item: int, arrived_ms: int) -> bool:
        """Whether this very reject is known: the same place, and a record of the same instant."""
        key = (offset << _ITEM_BITS) | item
        first, end = np.searchsorted(self._key, [key, key + 1])
        return bool((self._arrived[first:end] == arrived_ms).any())

    def known(self, refused: Refused) -> Refused:
        """The row for a reject: a duplicate when it is known, else as it is."""
        if not self.has(refused.offset, refused.item, refused.arrived_ms):
            return refused
        return Refused(
            DUPLICATE, refused.offset, refused.item, refused.through, refused.arrived_ms, "", DETAIL, ""
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reread:
    """What was asked for a partition whose newest life is the one that is asked about."""

    start_offset: int | None
    """Where the next life begins; None when none is to begin, and only `rejects` matter."""
    note: str
    rejects: KnownRejects
