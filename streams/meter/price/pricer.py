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


class _Names:
    """Texts by code: one text a price period, and the distinct texts. The empty text is code 0."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {"": 0}
        self._by_period: list[int] = []
        self.by_period = np.zeros(0, np.int32)
        self.texts: tuple[str, ...] = ("",)

    def add(self, texts: Sequence[str]) -> None:
        self._by_period.extend(self._codes.setdefault(text, len(self._codes)) for text in texts)
        self.by_period, self.texts = np.array(self._by_period, np.int32), tuple(self._codes)


@dataclass(frozen=True, slots=True)
class Priced:
    """Prices of a batch, one element a call; names are dictionary-encoded.

    `cost_pico`: pico-USD, 0 where unpriced. `status`: index into `statuses` (`streams.meter.price.status`). `source`:
    index into `sources` (`genai-prices 0.2.3`, `override:prices.toml@1b2c...`, empty where unpriced). `ref`: index
    into `refs` (`provider/model` of the book or of the operator's entry, empty where unpriced). `since`: index into
    `sinces`, the day from which that price holds (`Between.since`), empty where it has none. The texts only grow
    from batch to batch.
    """

    cost_pico: Ints
    priced: NDArray[np.bool_]
    status: NDArray[np.uint8]
    source: NDArray[np.int32]
    ref: NDArray[np.int32]
    since: NDArray[np.int32]
    sources: tuple[str, ...]
    refs: tuple[str, ...]
    sinces: tuple[str, ...]
    statuses: tuple[str, ...] = STATUSES


class Pricer:
    """Prices calls from a book, the operator's overrides and the shipped aliases."""

    def __init__(self, book: Book, overrides: Overrides, aliases: Aliases, *, cap: int = CAP) -> None:
        """`cap`: sets of names kept a generation (`remember.py`)."""
        self._book, self._overrides, self._aliases = book, overrides, aliases
        self._names = Memory(self._code, cap)
        self._codes: dict[tuple[Listing | int, tuple[Period, ...]], int] = {}
        self._table = RateTable()
        self._labelled = 0
        self._sources, self._refs, self._sinces = _Names(), _Names(), _Names()

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
        *,
        latency_ms: Sequence[float | None] | None = None,
    ) -> Priced:
        """Price a batch as of each call's own time.

        All arguments have one length. `time_ms`: epoch ms UTC. `input_tokens` include the cached ones,
        `output_tokens` the reasoning ones; absent cache counts are 0. `latency_ms`: needed only for prices by the
        hour. Never raises for what a call says: it comes back unpriced with a status.
        """
        count = len(time_ms)
        codes: Ints = np.fromiter(
            map(self._names.look_up(), zip(provider, model, response_model, strict=True)), dtype=np.int64, count=count
        )
        if count == 0:
            return self._empty()
        rows = self._table.rows(codes, time_ms)
        cost, status = self._table.cost(rows, input_tokens, output_tokens, cache_read, cache_write, latency_ms)
        priced = status <= 1
        self._lay_out()
        source, ref, since = (
            np.where(priced, names.by_period[rows], 0) for names in (self._sources, self._refs, self._sinces)
        )
        return self._priced(cost, priced, status, source, ref, since)

    def sheet(self, provider: str | None, model: str, response_model: str | None = None) -> Sheet:
        """The prices of a model as this pricer charges them, the operator's among them; its last active period counts.
        A model that nothing prices has one period, whose status says why."""
        return self._table.sheets[self._names.look_up()((provider, model, response_model))]

    def names(
        self, provider: str | None, model: str, response_model: str | None, found: Listing | int | None = None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """The providers and models that an operator's entry may name to mean this call, lower-cased.

        `found`: what the aliases resolve it to, if that is known.
        """
        if found is None:
            found = self._aliases.resolve(self._book, provider, model, response_model)
        sent = response_model or model
        providers = {(provider or "").strip().lower(), self._aliases.seller(self._book, provider) or ""}
        models = {sent.strip().lower()}
        if isinstance(found, Listing):
            providers.add(found.provider.lower())
            models.add(found.model.lower())
        return frozenset(providers), frozenset(models)

    @property
    def book(self) -> Book:
        """The price book."""
        return self._book

    @property
    def overrides(self) -> Overrides:
        """The operator's prices."""
        return self._overrides

    def kept(self) -> int:
        """Sets of names in memory now; bounded by `cap`."""
        return len(self._names)

    def _code(self, key: Key) -> int:
        """The sheet code of a set of names; sheets are kept once each, however many names lead to them."""
        provider, asked, response_model = key
        model = asked or ""
        found = self._aliases.resolve(self._book, provider, model, response_model)
        base = self._book.sheet(found).periods if isinstance(found, Listing) else (_unpriced(found),)
        own = self._overrides.periods(*self.names(provider, model, response_model, found), base)
        known = self._codes.get((found, own))
        if known is None:
            known = self._codes[found, own] = self._table.add(Sheet((*base, *own)))
        return known

    def _lay_out(self) -> None:
        """Give the periods that are new since the last batch their names."""
        new = self._table.periods[self._labelled :]
        if new:
            self._labelled += len(new)
            self._sources.add([period.source for period in new])
            self._refs.add([period.ref for period in new])
            self._sinces.add([period.rule.since for period in new])

    def _empty(self) -> Priced:
        codes = np.zeros(0, np.int32)
        return self._priced(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.uint8), codes, codes, codes)

    def _priced(
        self,
        cost: Ints,
        priced: NDArray[np.bool_],
        status: NDArray[np.uint8],
        source: NDArray[np.int32],
        ref: NDArray[np.int32],
        since: NDArray[np.int32],
    ) -> Priced:
        texts = self._sources.texts, self._refs.texts, self._sinces.texts
        return Priced(cost, priced, status, source, ref, since, *texts)


def _unpriced(status: int) -> Period:
    return Period(Between(), (), "", "", status)
