"""The operator's files as a worker reads them when it starts: all, so that one refusal lists the faults of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from schemas.budgets import Budget
from schemas.plans import Plan
from streams.alert.policies import Policies, load_policies
from streams.budgets.file import load_budgets
from streams.config import Settings
from streams.errors import SettingsError
from streams.meter.price import Overrides, load_overrides
from streams.meter.tiers import TierMap, load_tiers
from streams.plans.file import load_plans

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class OperatorFiles:
    """What the files say; what the defaults are where there is none."""

    prices: Overrides
    tiers: TierMap
    plans: tuple[Plan, ...]
    budgets: tuple[Budget, ...]
    policies: Policies


def read_files(settings: Settings, environment: Mapping[str, str]) -> OperatorFiles:
    """Reads every file that the settings name. Raises `SettingsError` with every fault of every file.

    `environment`: where policies look their secrets up.
    """
    faults: list[str] = []
    prices = _read(faults, lambda: load_overrides(settings.prices_file) if settings.prices_file else Overrides())
    tiers = _read(faults, lambda: load_tiers(settings.tiers_file))
    plans = _read(faults, lambda: load_plans(settings.plans_file))
    budgets = _read(faults, lambda: load_budgets(settings.budgets_file))
    policies = _read(faults, lambda: load_policies(settings.policies_file, environment))
    if prices is None or tiers is None or plans is None or budgets is None or policies is None:
        raise SettingsError(faults)
    return OperatorFiles(prices, tiers, plans, budgets, policies)


def _read(faults: list[str], load: Callable[[], _Read]) -> _Read | None:
    try:
        return load()
    except SettingsError as error:
        faults += error.faults
        return None
