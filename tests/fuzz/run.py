"""A run: the corpus, the seeds, then mutants of both. What fails is kept in the corpus and said.

python -m tests.fuzz --inputs 1000000              # all targets, in turn
python -m tests.fuzz --target calls --seed 7
python -m tests.fuzz --coverage --target calls     # libFuzzer through atheris: grows the corpus (needs `.[fuzz]`)
"""

from __future__ import annotations

import hashlib
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz.mutate import mutant
from tests.fuzz.seeds import CORPUS, kept, seeds
from tests.fuzz.targets import Target

SLOW_S = 2.0
"""An input of 16 KB that takes longer is a find: somebody could hold a worker up with it."""

GROWS = 2_000
"""Mutants that a run may breed from, beside corpus and seeds."""


@dataclass(frozen=True, slots=True)
class Find:
    """An input for which something did not hold."""

    target: str
    data: bytes
    why: str

    def keep(self) -> str:
        """Put it into the corpus; its path."""
        folder = CORPUS / self.target
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / hashlib.sha256(self.data).hexdigest()[:16]
        path.write_bytes(self.data)
        return str(path)


def run(
    target: Target, inputs: int, seed: int, *, clock: Callable[[], float] = time.monotonic, slow_s: float = SLOW_S
) -> tuple[int, list[Find]]:
    """Try `inputs` inputs, corpus and seeds first; how many were tried, and what was found (at most ten)."""
    rng = random.Random(f"{target.name}:{seed}")
    pool = [*kept(target.name), *seeds(target.name)]
    finds: list[Find] = []
    for tried in range(max(inputs, len(pool))):
        data = pool[tried] if tried < len(pool) else mutant(rng, pool, target.words)
        began = clock()
        try:
            target.run(data)
        except Exception:
            finds.append(Find(target.name, data, traceback.format_exc(limit=-4)))
        else:
            took = clock() - began
            if took > slow_s:
                finds.append(Find(target.name, data, f"took {took:.1f} s"))
            elif len(pool) < GROWS and rng.random() < 0.01:
                pool.append(data)
        if len(finds) >= 10:
            return tried + 1, finds
    return max(inputs, len(pool)), finds
