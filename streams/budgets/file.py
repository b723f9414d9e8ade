"""Reads the operator's budgets file (`schemas/budgets.py` says what is in it). All faults come at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from schemas.budgets import Budget, BudgetsFile
from streams.errors import SettingsError
from streams.operator_file import faults_of, parse, read_text, same_names, sound


def parse_budgets(text: str, name: str) -> tuple[Budget, ...]:
    """Budgets from the text of a file called `name`. Raises `SettingsError` with every fault."""
    data = parse(text, name)
    faults: list[str] = []
    budgets: tuple[Budget, ...] = ()
    try:
        budgets = BudgetsFile.model_validate(data).budget
    except ValidationError as error:
        faults += [f"{name}: {one}" for one in faults_of(error, "budget", BudgetsFile, data)]
        budgets = tuple(budget for _, budget in sound("budget", Budget, data))
    # Names are compared in what was written, so that they are told beside faults of other fields.
    faults += [f"{name}: {same}" for same in same_names("budget", data)]
    faults += [f"{name}: {other}" for other in _same_subjects(budgets)]
    if faults:
        raise SettingsError(faults)
    return budgets


def load_budgets(path: Path | None) -> tuple[Budget, ...]:
    """Budgets of a file; none without one. Raises `SettingsError` when it cannot be read or is wrong."""
    if path is None:
        return ()
    return parse_budgets(read_text(path), path.name)


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
