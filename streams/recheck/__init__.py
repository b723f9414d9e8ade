"""Look back over the ledger: its calls, in event order, through the detector into the canonical incidents.

`recheck(ledger)` gives a `Rechecked`; `streams.recheck.tell` says it. Pure but for reading the ledger.
"""

from __future__ import annotations

from streams.recheck.fold import Rechecked, recheck

__all__ = ["Rechecked", "recheck"]
