"""The operator's own prices: a TOML file that beats the book.

    currency = "USD"                # optional, in an entry too; the only one, as the ledger's

    [[price]]
    model = "qwen-m-large"          # as routers send it, or the book's id; `*` and `?` match any text; no case
    provider = "aliyun"             # optional: as sent, or the book's id of it
    from = 2025-01-01               # optional, UTC, inclusive
    to = 2025-07-01                 # optional, UTC, exclusive
    input = "0.40"                  # USD per million tokens
    output = "1.20"
    cache_read = "0.10"             # optional: the input price when absent
    cache_write = "0.50"            # optional: the input price when absent
    [[price.above]]                 # optional: prices of the whole call when it has more input tokens than this
    input_tokens = 200000
    input = "0.80"
    output = "2.40"
    cache_read = "0.20"             # needed here when the price above has one

    [[price]]                       # negotiated: the book's price of the day, less so much
    provider = "anthropic"
    model = "*"
    off = "12.5%"

    [[price]]                       # self-hosted: by how long a call took (`latency_ms`)
    model = "house-7b"
    per_hour = "12.50"              # USD for an hour of the machine
    at_once = 8                     # calls that it works on at once and that share the hour; 1 when absent

When several entries hold for a call the most specific one is charged: a provider before none, a name without
wildcards before one with, then the longer name, then the later entry. Two entries for the same provider and name may
not hold at the same time. Outside the dates of its entries a call is charged from the book. A discount is on the book,
never on another entry; where the book has no price it is silent.

Every fault of a file is reported at once, as one `SettingsError`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import translate
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from schemas.currency import Currency
from streams.errors import SettingsError
from streams.meter.price.sheet import Band, Between, Period, Rates, Sheet, While, pico_rate
from streams.money import PICO
from streams.operator_file import faults_of, parse, read_text, sound

Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=24, decimal_places=12, allow_inf_nan=False)]
"""USD per million tokens. A million dollars a million tokens is above every price ever asked."""

OWN: Final = "override:"
"""How the source of every price of the operator's begins."""

_SHARE = r"[0-9]{1,2}(\.[0-9]{1,6})?%"
"""Per cent, at least 0 and below 100, as `12.5%`."""

_US_PER_HOUR = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Prices(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None

    @field_validator("input", "output", "cache_read", "cache_write", "per_hour", mode="before", check_fields=False)
    @classmethod
    def _number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a price is a number or a string of one, in USD")
        return value

    def rates(self) -> Rates:
        """These prices in pico-USD a token."""
        paid = pico_rate(self.input)
        read, write = self.cache_read, self.cache_write
        return Rates(
            paid,
            pico_rate(self.output),
            paid if read is None else pico_rate(read),
            paid if write is None else pico_rate(write),
        )


class _Above(_Prices):
    input_tokens: int = Field(ge=0, strict=True)


class _Entry(_Prices):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    model: str = Field(min_length=1, max_length=256)
    currency: Currency = "USD"
    provider: str | None = Field(default=None, min_length=1, max_length=128)
    start: datetime | None = Field(default=None, alias="from")
    end: datetime | None = Field(default=None, alias="to")
    above: tuple[_Above, ...] = ()
    off: str | None = None
    per_hour: Usd | None = None
    at_once: int = Field(default=1, ge=1, le=1_000_000, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _one_kind(cls, value: Any) -> Any:
        """A discount stands alone; by the hour, tokens cost nothing unless the entry says so."""
        if not isinstance(value, dict):
            return value
        if "off" in value:
            others = sorted(value.keys() & {"input", "output", "cache_read", "cache_write", "above", "per_hour"})
            if others:
                raise ValueError(f"`off` is a discount on the book: leave out {', '.join(others)}")
            return {"input": 0, "output": 0, **value}
        if "per_hour" in value and not value.keys() & {"input", "output"}:
            others = sorted(value.keys() & {"cache_read", "cache_write", "above"})
            if others:
                raise ValueError(f"give `input` and `output` too, or leave out {', '.join(others)}")
            return {"input": 0, "output": 0, **value}
        if "at_once" in value and "per_hour" not in value:
            raise ValueError("`at_once` shares an hour between calls: give `per_hour` too, or leave it out")
        return value

    @field_validator("off", mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(_SHARE, value):
            raise ValueError('is per cent of the book\'s price, in quotes, at least 0% and below 100%: as "12.5%"')
        return value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _utc(cls, value: Any) -> Any:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError("a time of day needs a zone, e.g. 2025-01-01T12:00:00Z; a bare date is midnight UTC")
            return value.astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        raise ValueError("must be a TOML date (2025-01-01) or a date and time with a zone, without quotes")

    @field_validator("end")
    @classmethod
    def _after(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start")
        if value is not None and start is not None and value <= start:
            raise ValueError("`from` must be before `to`")
        return value

    @model_validator(mode="after")
    def _sensible(self) -> _Entry:
        faults = []
        starts = [tier.input_tokens for tier in self.above]
        if starts != sorted(set(starts)):
            faults.append("`above` must rise in `input_tokens`, each once")
        for name in ("cache_read", "cache_write"):
            if getattr(self, name) is not None and any(getattr(tier, name) is None for tier in self.above):
                faults.append(f"every `above` needs a `{name}`, because the price itself has one")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def key(self) -> tuple[str | None, str]:
        """Provider and model, lower-cased: what may have one price at a time."""
        return (None if self.provider is None else self.provider.lower()), self.model.lower()

    @property
    def rule(self) -> Between:
        """The time this entry holds."""
        return Between(_ms(self.start), _ms(self.end))

    def meets(self, other: _Entry) -> bool:
        """Whether both hold at some time."""
        mine, theirs = self.rule, other.rule
        return (mine.end_ms is None or theirs.start_ms is None or theirs.start_ms < mine.end_ms) and (
            theirs.end_ms is None or mine.start_ms is None or mine.start_ms < theirs.end_ms
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Currency = "USD"
    price: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Override:
    number: int
    """Place in the file, from 1."""
    provider: str | None
    pattern: re.Pattern[str]
    period: Period
    kept: Fraction | None
    """What a discount leaves of the book's price; None: the entry has prices of its own."""

    def means(self, providers: frozenset[str], models: frozenset[str]) -> bool:
        return (self.provider is None or self.provider in providers) and any(map(self.pattern.match, models))

    def periods(self, base: tuple[Period, ...]) -> tuple[Period, ...]:
        if self.kept is None:
            return (self.period,)
        own = self.period
        assert isinstance(own.rule, Between)
        book = Sheet(base)
        return tuple(
            period.times(
                self.kept, While(book, at, own.rule), f"{own.source} on {period.source}", f"{own.ref} {period.ref}"
            )
            for at, period in enumerate(base)
            if period.charged
        )


@dataclass(frozen=True, slots=True)
class Overrides:
    """Validated entries, the least specific first. `Overrides()` overrides nothing."""

    entries: tuple[_Override, ...] = ()
    source: str = ""

    def periods(
        self, providers: frozenset[str], models: frozenset[str], base: tuple[Period, ...] = ()
    ) -> tuple[Period, ...]:
        """Periods that hold for a call, the least specific first (later ones take precedence).

        `providers`, `models`: the names the call goes by (as sent, and as the book says), lower-cased. `base`: the
        book's periods, for discounts.
        """
        return tuple(
            period for entry in self.entries if entry.means(providers, models) for period in entry.periods(base)
        )

    def meant(self, providers: frozenset[str], models: frozenset[str]) -> list[tuple[int, Between]]:
        """Numbers (place in the file, from 1) and times of the entries that name a call, chosen or not."""
        return [
            (entry.number, entry.period.rule)
            for entry in self.entries
            if entry.means(providers, models) and isinstance(entry.period.rule, Between)
        ]

    def labels(self) -> dict[int, str]:
        """What each entry is for, by its number: `anthropic/* 15% off from 2026-01-01`."""
        return {
            entry.number: entry.period.ref + (f" from {since}" if (since := entry.period.rule.since) else "")
            for entry in sorted(self.entries, key=lambda entry: entry.number)
        }


def parse_overrides(text: str, name: str) -> Overrides:
    """Overrides from the text of a file called `name`.

    The source of its prices is `override:NAME@DIGEST`, the digest being the first 12 hex digits of SHA-256 of the
    text. Raises SettingsError with every fault.
    """
    data = parse(text, name)
    faults: list[str] = []
    try:
        _File.model_validate(data)
    except ValidationError as error:
        faults += [f"{name}: {one}" for one in faults_of(error, "price", _File, data)]
    numbered = sound("price", _Entry, data)
    faults += [
        f"{name}: price {first} and price {second} both hold for {one.model!r} at the same time: end one with `to` "
        "before the other begins, or leave one out"
        for (first, one), (second, other) in combinations(numbered, 2)
        if one.key == other.key and one.meets(other)
    ]
    if faults:
        raise SettingsError(faults)
    source = f"{OWN}{name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    ranked = sorted(numbered, key=lambda one: _rank(one[1]))
    return Overrides(tuple(_override(number, entry, source) for number, entry in ranked), source)


def load_overrides(path: Path) -> Overrides:
    """Overrides from a file, named by its file name. Raises SettingsError when it cannot be read or is wrong."""
    return parse_overrides(read_text(path), path.name)


def _rank(entry: _Entry) -> tuple[bool, bool, int]:
    plain = not any(mark in entry.model for mark in "*?[")
    return entry.provider is not None, plain, len(entry.model)


def _override(number: int, entry: _Entry, source: str) -> _Override:
    provider, model = entry.key
    per_us = None if entry.per_hour is None else Fraction(entry.per_hour) * PICO / _US_PER_HOUR / entry.at_once
    bands = (
        Band(-1, replace(entry.rates(), per_us=per_us)),
        *(Band(tier.input_tokens, replace(tier.rates(), per_us=per_us)) for tier in entry.above),
    )
    ref = f"{provider or '*'}/{model}" + (f" {entry.off} off" if entry.off else "")
    kept = 1 - Fraction(entry.off.removesuffix("%")) / 100 if entry.off else None
    return _Override(number, provider, re.compile(translate(model)), Period(entry.rule, bands, source, ref), kept)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int((moment - _EPOCH).total_seconds() * 1000)
