"""The tier of a call: what its router said, else the tier map; never a guess.

The map is an ordered list of name patterns: the operator's file first, then tiers.toml of the package, which states
the rule behind its lists. A model that nothing covers is `unknown`. Like the price, the tier follows the model that
ANSWERED when the router names it. Prices are not consulted at run time: a price change must not move old calls to
another tier.

Pure: no I/O but `load_tiers`, no clock. Not for use by several threads at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.errors import SettingsError
from streams.meter.price.remember import CAP, Key, Memory
from streams.operator_file import faults_of, parse, read_text, sound

TIERS: Final = ("unknown", "oss", "mid", "frontier")
"""Names by code."""
_CODE: Final[dict[str | None, int]] = {tier: code for code, tier in enumerate(TIERS)}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tier: Literal["oss", "mid", "frontier"]
    models: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = Field(min_length=1)
    provider: str | None = Field(default=None, min_length=1, max_length=128)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tier: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class TierRule:
    """Models whose name `pattern` matches, of `provider` (lower case, as sent; None is any), are of the tier with
    this code."""

    code: int
    provider: str | None
    pattern: re.Pattern[str]


class TierMap:
    """Tiers by the names that routers send. The first rule that holds wins."""

    def __init__(self, rules: Sequence[TierRule], *, cap: int = CAP) -> None:
        """`cap`: sets of names kept a generation (`price/remember.py`)."""
        self._rules = tuple(rules)
        self._names = Memory(self._code, cap)

    def tier(self, provider: str | None, model: str, response_model: str | None = None) -> str:
        """The tier of one model, `unknown` when no rule covers it."""
        return TIERS[self._code((None, provider, model, response_model))]

    def tiers(
        self,
        explicit: Sequence[str | None],
        provider: Sequence[str | None],
        model: Sequence[str],
        response_model: Sequence[str | None],
    ) -> NDArray[np.uint8]:
        """Codes into TIERS, one a call. `explicit`: the tier that the router sent, or None; it wins. One length."""
        names = zip(explicit, provider, model, response_model, strict=True)
        return np.fromiter(map(self._names.look_up(), names), dtype=np.uint8, count=len(model))

    def _code(self, key: Key) -> int:
        explicit, provider, model, response_model = key
        if explicit is not None:
            return _CODE.get(explicit, 0)
        name = (response_model or model or "").strip().lower()
        short = name.rpartition("/")[2]
        seller = (provider or "").strip().lower()
        for rule in self._rules:
            if (rule.provider is None or rule.provider == seller) and (
                rule.pattern.match(name) or rule.pattern.match(short)
            ):
                return rule.code
        return 0


def parse_tiers(text: str, name: str) -> tuple[TierRule, ...]:
    """Rules from the text of a tier file called `name`. Raises SettingsError with every fault."""
    data = parse(text, name)
    faults: list[str] = []
    try:
        _File.model_validate(data)
    except ValidationError as error:
        faults += [f"{name}: {one}" for one in faults_of(error, "tier", _File, data)]
    seen: dict[tuple[str | None, str], str] = {}
    rules: list[TierRule] = []
    for _, entry in sound("tier", _Entry, data):
        provider = None if entry.provider is None else entry.provider.lower()
        for pattern in (model.lower() for model in entry.models):
            if (provider, pattern) in seen:
                faults.append(
                    f"{name}: {pattern!r} stands twice, as {seen[provider, pattern]} and as {entry.tier}: leave one out"
                )
            seen[provider, pattern] = entry.tier
            rules.append(TierRule(_CODE[entry.tier], provider, re.compile(translate(pattern))))
    if faults:
        raise SettingsError(faults)
    return tuple(rules)


def load_tiers(path: Path | None = None) -> TierMap:
    """The shipped tier map, behind the operator's file if there is one. Raises SettingsError."""
    own: tuple[TierRule, ...] = ()
    if path is not None:
        own = parse_tiers(read_text(path), path.name)
    return TierMap((*own, *shipped_rules()))


@lru_cache(maxsize=1)
def shipped_rules() -> tuple[TierRule, ...]:
    """The rules of tiers.toml."""
    return parse_tiers(files("streams.meter").joinpath("tiers.toml").read_text(encoding="utf-8"), "tiers.toml")
