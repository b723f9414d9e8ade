"""Price a batch of calls: names to a price sheet once, then integer arithmetic on columns.

Money is integer pico-USD (1e-12 USD). The hot path makes one dict look-up a call, keyed by (provider, model, response
model); what is behind a key is worked out once, names without a price included, and memory is bounded (`remember.py`).
Pure: no I/O, no clock. Not for use by several threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.meter.price.aliases import Aliases, load_aliases
from streams.meter.price.book import Book, Listing, load_book
from streams.meter.price.overrides import Overrides
from streams.meter.price.remember import CAP, Key, Memory
from streams.meter.price.sheet import Between, Ints, Period, Sheet
from streams.meter.price.status import STATUSES
from streams.meter.price.table import RateTable

_Labels = tuple[NDArray[np.int32], NDArray[np.int32], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Priced:
    """Prices of a batch, one element a call; names are dictionary-encoded.

    `cost_pico`: pico-USD, 0 where unpriced. `status`: index into `statuses` (`streams.meter.price.status`). `source`:
    index into `sources` (`genai-prices 0.2.3`, `override:prices.toml@1b2c...`, empty where unpriced). `ref`: index
    into `refs` (`provider/model` of the book or of the operator's entry, empty where unpriced). `sources` and `refs`
    only grow from batch to batch.
    """

    cost_pico: Ints
    priced: NDArray[np.bool_]
    status: NDArray[np.uint8]
    source: NDArray[np.int32]
    ref: NDArray[np.int32]
    sources: tuple[str, ...]
    refs: tuple[str, ...]
    statuses: tuple[str, ...] = STATUSES


class Pricer:
    """Prices calls from a book, the operator's overrides and the shipped aliases."""

    def __init__(self, book: Book, overrides: Overrides, aliases: Aliases, *, cap: int = CAP) -> None:
        """`cap`: sets of names kept a generation (`remember.py`)."""
        self._book, self._overrides, self._aliases = book, overrides, aliases
        self._names = Memory(self._code, cap)
        self._codes: dict[tuple[Listing | int, tuple[Period, ...]], int] = {}
        self._table = RateTable()
        self._sources: dict[str, int] = {"": 0}
        self._refs: dict[str, int] = {"": 0}
        self._period_source: list[int] = []
        self._period_ref: list[int] = []
        self._labels: _Labels = (np.zeros(0, np.int32), np.zeros(0, np.int32), ("",), ("",))

    @classmethod
    def default(cls, overrides: Overrides | None = None) -> Pricer:
        """The shipped book and aliases, and the operator's overrides if any."""
        return cls(load_book(), overrides or Overrides(), load_aliases())

    def price(
        self,
        provider: Sequence[str | None],
        model: Sequence[str],
        response_model: Sequence[str | None],
        time_ms: Ints,
        input_tokens: Ints,
        output_tokens: Ints,
        cache_read: Ints,
        cache_write: Ints,
    ) -> Priced:
        """Price a batch as of each call's own time.

        All arguments have one length. `time_ms`: epoch ms UTC. `input_tokens` include the cached ones,
        `output_tokens` the reasoning ones; absent cache counts are 0. Never raises for what a call says: it comes
        back unpriced with a status.
        """
        count = len(time_ms)
        codes: Ints = np.fromiter(
            map(self._names.look_up(), zip(provider, model, response_model, strict=True)), dtype=np.int64, count=count
        )
        if count == 0:
            return self._empty()
        rows = self._table.rows(codes, time_ms)
        cost, status = self._table.cost(rows, input_tokens, output_tokens, cache_read, cache_write)
        priced = status <= 1
        by_source, by_ref, sources, refs = self._lay_out()
        return Priced(
            cost, priced, status, np.where(priced, by_source[rows], 0), np.where(priced, by_ref[rows], 0), sources, refs
        )

    def kept(self) -> int:
        """Sets of names in memory now; bounded by `cap`."""
        return len(self._names)

    def _code(self, key: Key) -> int:
        """The sheet code of a set of names; sheets are kept once each, however many names lead to them."""
        provider, asked, response_model = key
        model = asked or ""
        found = self._aliases.resolve(self._book, provider, model, response_model)
        sent = response_model or model
        providers = {(provider or "").strip().lower(), self._aliases.seller(self._book, provider) or ""}
        models = {sent.strip().lower()}
        if isinstance(found, Listing):
            providers.add(found.provider.lower())
            models.add(found.model.lower())
        own = self._overrides.periods(frozenset(providers), frozenset(models))
        known = self._codes.get((found, own))
        if known is None:
            base = self._book.sheet(found).periods if isinstance(found, Listing) else (_unpriced(found),)
            known = self._codes[found, own] = self._table.add(Sheet((*base, *own)))
        return known

    def _lay_out(self) -> _Labels:
        periods = self._table.periods
        if len(self._period_ref) < len(periods):
            for period in periods[len(self._period_ref) :]:
                self._period_source.append(self._sources.setdefault(period.source, len(self._sources)))
                self._period_ref.append(self._refs.setdefault(period.ref, len(self._refs)))
            by_source, by_ref = np.array(self._period_source, np.int32), np.array(self._period_ref, np.int32)
            self._labels = (by_source, by_ref, tuple(self._sources), tuple(self._refs))
        return self._labels

    def _empty(self) -> Priced:
        _, _, sources, refs = self._lay_out()
        codes = np.zeros(0, np.int32)
        return Priced(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.uint8), codes, codes, sources, refs)


def _unpriced(status: int) -> Period:
    return Period(Between(), (), "", "", status)
