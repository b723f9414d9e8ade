"""Prices as columns: every period and band of every sheet in use is one row of flat numpy arrays.

A batch then costs a few gathers and multiplications, whatever models are in it. Rows are only added; their number is
bounded by the book and the operator's file, not by the names that routers send.

Overflow: with token counts up to MAX_TOKENS nothing before the products can wrap. Products are first estimated in
floating point (relative error under 1e-14); rows estimated at or above the ceiling, rows whose rate is not a whole
number of pico-USD, and rows whose price is by the duration are worked out in Python's unbounded integers, rounded
once, half to even. What the fast path computed for them (possibly wrapped) is discarded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from streams.meter.price.sheet import Ints, Period, Rates, Sheet
from streams.meter.price.status import BAD_TOKENS, NO_DURATION, NO_OUTPUT_PRICE, TOO_LARGE

MAX_TOKENS = 10**12
"""More tokens of one class than any call can have; above it a call is `too_large` and is not multiplied."""
MAX_PICO = 10**18 - 1
"""999,999.999999999999 USD: the largest value of `Decimal(18, 12)`."""
_SURE = 9.9e17
_NEVER = np.iinfo(np.int64).max
_ZERO = Fraction(0)


class RateTable:
    """Sheets as columns. `add` gives a sheet its code; `cost` prices a batch of codes."""

    def __init__(self) -> None:
        """An empty table."""
        self.sheets: list[Sheet] = []
        self.periods: list[Period] = []
        self.bands: list[Rates | None] = []
        self._edges: list[list[int] | None] = []
        self._first_period: list[int] = []
        self._first_bands: list[int] = []
        self._starts: list[list[int]] = []
        self._units: list[list[int]] = []
        self._marks: list[tuple[bool, bool, bool]] = []
        self._stale = True

    def add(self, sheet: Sheet) -> int:
        """The code of `sheet`; every call adds, so callers keep the code."""
        self._first_period.append(len(self.periods))
        self.periods.extend(sheet.periods)
        edges = sheet.edges()
        self._edges.append(None if edges is None else list(edges))
        self.sheets.append(sheet)
        self._stale = True
        return len(self.sheets) - 1

    def rows(self, codes: Ints, time_ms: Ints) -> Ints:
        """The period (an index into `periods`) that prices each call."""
        if self._stale:
            self._build()
        first = self._first
        apart: list[int] = []
        if (dated := self._dated[codes]).any():
            first = first.copy()
            low, high = int(time_ms.min()), int(time_ms.max())
            for code in np.unique(codes[dated]).tolist():
                held = self.sheets[code].constant(self._edges[code], low, high)
                if held is None:
                    apart.append(code)
                else:
                    first[code] += held
        rows: Ints = first[codes]
        for code in apart:
            where = np.flatnonzero(codes == code)
            rows[where] += self.sheets[code].select(time_ms[where])
        return rows

    def cost(
        self,
        rows: Ints,
        tokens: Ints,
        output: Ints,
        cache_read: Ints,
        cache_write: Ints,
        latency_ms: Sequence[float | None] | None = None,
    ) -> tuple[Ints, NDArray[np.uint8]]:
        """Pico-USD (0 where unpriced) and status code of each call.

        `rows` from `rows()`; `tokens` are all input tokens, cached ones included. `latency_ms`: how long each call
        took, read only where the price is by the hour. All of one length.
        """
        band = self._first_band[rows]
        for above in self._above:
            band = band + (tokens > above[rows])
        status = self._status[rows]
        huge = (tokens > MAX_TOKENS) | (output > MAX_TOKENS) | (cache_read > MAX_TOKENS) | (cache_write > MAX_TOKENS)
        if huge.any():
            tokens, output, cache_read, cache_write = (
                np.where(huge, 0, column) for column in (tokens, output, cache_read, cache_write)
            )
        plain = tokens - cache_read - cache_write
        bad = (tokens < 0) | (plain < 0) | (cache_read < 0) | (cache_write < 0) | (output < 0)
        total: Ints = self._fixed[band]
        estimate = total.astype(np.float64)
        for rates, count in zip(self._rates, (plain, output, cache_read, cache_write), strict=True):
            rate = rates[band]
            total = total + rate * count
            estimate += rate * count.astype(np.float64)
        charged = status <= 1
        status = np.where(charged & (output > 0) & self._no_output[band], np.uint8(NO_OUTPUT_PRICE), status)
        timed = self._timed[band]
        if timed.any():
            unknown = np.array([value is None for value in latency_ms or [None] * len(rows)], dtype=np.bool_)
            status = np.where(charged & timed & unknown, np.uint8(NO_DURATION), status)
        status = np.where(charged & huge, np.uint8(TOO_LARGE), status)
        status = np.where(charged & bad & ~huge, np.uint8(BAD_TOKENS), status)
        exact = (status <= 1) & ((estimate >= _SURE) | self._fractional[band] | timed)
        if exact.any():
            for at in np.flatnonzero(exact).tolist():
                counts = int(plain[at]), int(output[at]), int(cache_read[at]), int(cache_write[at])
                took = round((latency_ms[at] or 0) * 1000) if timed[at] and latency_ms is not None else 0
                pico = _exact(self.bands[band[at]], took, *counts)
                if pico > MAX_PICO:
                    status[at] = TOO_LARGE
                else:
                    total[at] = pico
        return np.where(status <= 1, total, 0), status

    def _build(self) -> None:
        """Lay the lists out as arrays, new periods after the old ones."""
        for period in self.periods[len(self._first_bands) :]:
            self._first_bands.append(len(self.bands))
            self._starts.append([band.above for band in period.bands[1:]])
            charged: list[Rates | None] = [band.rates for band in period.bands]
            self.bands.extend(charged or [None])
        for held in self.bands[len(self._units) :]:
            row = (_ZERO,) * 5 if held is None else _classes(held)
            self._units.append([int(rate) for rate in row])
            self._marks.append((
                any(rate.denominator != 1 for rate in row),
                held is not None and held.output is None,
                held is not None and held.per_us is not None,
            ))  # fmt: skip
        width = max((len(starts) for starts in self._starts), default=0)
        self._above = [
            np.array([starts[k] if k < len(starts) else _NEVER for starts in self._starts], dtype=np.int64)
            for k in range(width)
        ]
        self._first_band = np.array(self._first_bands, dtype=np.int64)
        *self._rates, self._fixed = np.array(self._units, dtype=np.int64).reshape(-1, 5).T.copy()
        self._fractional, self._no_output, self._timed = np.array(self._marks, dtype=np.bool_).reshape(-1, 3).T.copy()
        self._status = np.array([period.status for period in self.periods], dtype=np.uint8)
        self._first = np.array(self._first_period, dtype=np.int64)
        self._dated = np.array([len(sheet.periods) > 1 for sheet in self.sheets], dtype=np.bool_)
        self._stale = False


def _classes(rates: Rates) -> tuple[Fraction, Fraction, Fraction, Fraction, Fraction]:
    """In the order in which `cost` multiplies: uncached input, output, cache read, cache write; then the fee a call."""
    return rates.input, rates.output or _ZERO, rates.cache_read, rates.cache_write, rates.fixed


def _exact(rates: Rates | None, took_us: int, *counts: int) -> int:
    """Pico-USD in unbounded arithmetic; `round` of a Fraction is half to even."""
    assert rates is not None, "only periods with rates are charged"
    *classes, fixed = _classes(rates)
    by_duration = (rates.per_us or _ZERO) * took_us
    return round(sum((rate * count for rate, count in zip(classes, counts, strict=True)), fixed + by_duration))
