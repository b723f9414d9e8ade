"""Reads the operator's budgets file (`schemas/budgets.py` says what is in it). All faults come at once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.budgets import Budget, BudgetsFile
from streams import toml
from streams.errors import SettingsError


def parse_budgets(text: str, name: str) -> tuple[Budget, ...]:
    """Budgets from the text of a file called `name`. Raises `SettingsError` with every fault."""
    try:
        data = toml.loads(text, parse_float=Decimal)
    except toml.TOMLDecodeError as error:
        raise SettingsError([f"{name}: is not TOML: {error}"]) from error
    faults: list[str] = []
    budgets: tuple[Budget, ...] = ()
    try:
        budgets = BudgetsFile.model_validate(data).budget
    except ValidationError as error:
        faults += [f"{name}: {_fault(part, data)}" for part in error.errors(include_url=False)]
    # Names are compared in what was written, so that they are told beside faults of other fields.
    faults += [f"{name}: {fault}" for fault in _same_names(data)]
    faults += [f"{name}: {fault}" for fault in _same_subjects(budgets)]
    if faults:
        raise SettingsError(faults)
    return budgets


def load_budgets(path: Path | None) -> tuple[Budget, ...]:
    """Budgets of a file; none without one. Raises `SettingsError` when it cannot be read or is wrong."""
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {error}"]) from error
    return parse_budgets(text, path.name)


def _same_names(data: Mapping[str, Any]) -> list[str]:
    entries = data.get("budget")
    if not isinstance(entries, list):
        return []
    seen: dict[str, int] = {}
    faults = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name.casefold(), number)
        if first != number:
            faults.append(f"budget {first} and budget {number} are both called {name!r}: give each a name of its own")
    return faults


def _same_subjects(budgets: tuple[Budget, ...]) -> list[str]:
    seen: dict[tuple[object, ...], Budget] = {}
    faults = []
    for budget in budgets:
        first = seen.setdefault(budget.subject(), budget)
        if first is not budget:
            kind = "hard" if budget.hard else "soft"
            faults.append(
                f"{first.name!r} and {budget.name!r} are two {kind} budgets of a {budget.period} for the same calls: "
                "keep one, with more thresholds if need be"
            )
    return faults


def _fault(part: Any, data: Mapping[str, Any]) -> str:
    """`budget 2 ("search").amount: ...`."""
    loc = list(part["loc"])
    where = ""
    if len(loc) > 1 and loc[0] == "budget" and isinstance(loc[1], int):
        entry = data["budget"][loc[1]]
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"budget {loc[1] + 1}" + (f" ({name})" if isinstance(name, str) else "")
        loc = loc[2:]
    for item in loc:
        where += f" {item + 1}" if isinstance(item, int) else f"{'.' if where else ''}{item}"
    return f"{where or 'file'}: {part['msg'].removeprefix('Value error, ')}"
