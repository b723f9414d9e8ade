"""The operator's own prices: a TOML file that beats the book.

    [[price]]
    model = "qwen-m-large"          # as routers send it, or the book's id; `*` and `?` match any text; case is
    ignored provider = "aliyun"             # optional: as sent, or the book's id of it
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

When several entries hold for a call the most specific one is charged: a provider before none, a name without
wildcards before one with, then the longer name, then the later entry. Two entries for the same provider and name may
not hold at the same time. Outside the dates of its entries a call is charged from the book.

Every fault of a file is reported at once, as one `SettingsError`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import translate
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from streams.errors import SettingsError
from streams.meter.price.sheet import Band, Between, Period, Rates, pico_rate

Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=24, decimal_places=12, allow_inf_nan=False)]
"""USD per million tokens. A million dollars a million tokens is above every price ever asked."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Prices(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None

    @field_validator("input", "output", "cache_read", "cache_write", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a price is a number or a string of one, in USD per million tokens")
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
    provider: str | None = Field(default=None, min_length=1, max_length=128)
    start: datetime | None = Field(default=None, alias="from")
    end: datetime | None = Field(default=None, alias="to")
    above: tuple[_Above, ...] = ()

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

    @model_validator(mode="after")
    def _sensible(self) -> _Entry:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("`from` must be before `to`")
        starts = [tier.input_tokens for tier in self.above]
        if starts != sorted(set(starts)):
            raise ValueError("`above` must rise in `input_tokens`, each once")
        for name in ("cache_read", "cache_write"):
            if getattr(self, name) is not None and any(getattr(tier, name) is None for tier in self.above):
                raise ValueError(f"every `above` needs a `{name}`, because the price itself has one")
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

    price: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Override:
    provider: str | None
    pattern: re.Pattern[str]
    period: Period


@dataclass(frozen=True, slots=True)
class Overrides:
    """Validated entries, the least specific first. `Overrides()` overrides nothing."""

    entries: tuple[_Override, ...] = ()
    source: str = ""

    def periods(self, providers: frozenset[str], models: frozenset[str]) -> tuple[Period, ...]:
        """Periods that hold for a call, the least specific first (later ones take precedence).

        `providers`, `models`: the names the call goes by (as sent, and as the book says), lower-cased.
        """
        return tuple(
            entry.period
            for entry in self.entries
            if (entry.provider is None or entry.provider in providers) and any(map(entry.pattern.match, models))
        )


def parse_overrides(text: str, name: str) -> Overrides:
    """Overrides from the text of a file called `name`.

    The source of its prices is `override:NAME@DIGEST`, the digest being the first 12 hex digits of SHA-256 of the
    text. Raises SettingsError with every fault.
    """
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{name}: is not TOML: {error}"]) from error
    try:
        entries = _File.model_validate(data).price
    except ValidationError as error:
        raise SettingsError([f"{name}: {_fault(part)}" for part in error.errors()]) from error
    clashes = [
        f"{name}: price {first + 1} and price {second + 1} both hold for {entries[first].model!r} at the same time"
        for first, second in combinations(range(len(entries)), 2)
        if entries[first].key == entries[second].key and entries[first].meets(entries[second])
    ]
    if clashes:
        raise SettingsError(clashes)
    source = f"override:{name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    ranked = sorted(entries, key=_rank)
    return Overrides(tuple(_override(entry, source) for entry in ranked), source)


def load_overrides(path: Path) -> Overrides:
    """Overrides from a file, named by its file name. Raises SettingsError when it cannot be read or is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {error}"]) from error
    return parse_overrides(text, path.name)


def _rank(entry: _Entry) -> tuple[bool, bool, int]:
    plain = not any(mark in entry.model for mark in "*?[")
    return entry.provider is not None, plain, len(entry.model)


def _override(entry: _Entry, source: str) -> _Override:
    provider, model = entry.key
    bands = (Band(-1, entry.rates()), *(Band(tier.input_tokens, tier.rates()) for tier in entry.above))
    ref = f"{provider or '*'}/{model}"
    return _Override(provider, re.compile(translate(model)), Period(entry.rule, bands, source, ref))


def _fault(error: Any) -> str:
    where = ""
    for part in error["loc"]:
        where += f" {part + 1}" if isinstance(part, int) else f".{part}" if where else str(part)
    return f"{where or 'file'}: {error['msg'].removeprefix('Value error, ')}"


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int((moment - _EPOCH).total_seconds() * 1000)
