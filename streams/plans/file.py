"""Reads the operator's plans file (`schemas/plans.py` says what is in it). All faults come at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.plans import Plan, PlansFile
from streams import toml
from streams.errors import SettingsError


def parse_plans(text: str, name: str) -> tuple[Plan, ...]:
    """Plans from the text of a file called `name`, in its order. Raises `SettingsError` with every fault."""
    try:
        data = toml.loads(text, parse_float=Decimal)
    except toml.TOMLDecodeError as error:
        raise SettingsError([f"{name}: is not TOML: {error}"]) from error
    faults: list[str] = []
    plans: tuple[Plan, ...] = ()
    try:
        plans = PlansFile.model_validate(data).plan
    except ValidationError as error:
        faults += [f"{name}: {_fault(part, data)}" for part in error.errors(include_url=False)]
    # Names are compared in what was written, so that they are told beside faults of other fields.
    faults += [f"{name}: {fault}" for fault in _same_names(data)]
    faults += [f"{name}: {fault}" for fault in (*_overlaps(plans), *_holes(plans))]
    if faults:
        raise SettingsError(faults)
    return plans


def load_plans(path: Path | None) -> tuple[Plan, ...]:
    """Plans of a file; none without one. Raises `SettingsError` when it cannot be read or is wrong."""
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {error}"]) from error
    return parse_plans(text, path.name)


def _same_names(data: Mapping[str, Any]) -> Iterator[str]:
    entries = data.get("plan")
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str):
            first = seen.setdefault(name.casefold(), number)
            if first != number:
                yield f"plan {first} and plan {number} are both called {name!r}: give each a name of its own"


def _overlaps(plans: Sequence[Plan]) -> Iterator[str]:
    for one, other in combinations(plans, 2):
        if one.meets(other) and one.scope.meets(other.scope):
            if one.scope.limits() == other.scope.limits():
                yield (
                    f"{one.name!r} and {other.name!r} are for the same calls at the same time: end one with `to` "
                    "before the other begins"
                )
            elif not one.scope.within(other.scope) and not other.scope.within(one.scope):
                yield (
                    f"{one.name!r} and {other.name!r} share calls, and neither lies within the other: limit one of "
                    "them further, so that every call has one plan"
                )


def _holes(plans: Sequence[Plan]) -> Iterator[str]:
    by_scope: dict[tuple[Any, ...], list[Plan]] = {}
    for plan in plans:
        by_scope.setdefault(tuple(sorted(plan.scope.limits().items(), key=lambda item: item[0])), []).append(plan)
    for same in by_scope.values():
        for one, following in pairwise(sorted(same, key=lambda plan: plan.start)):
            if one.end is not None and one.end < following.start:
                yield (
                    f"from {one.end} to {following.start} neither {one.name!r} nor {following.name!r} holds: move one "
                    "of these days, or say what holds meanwhile by a plan of kind per_token"
                )


def _fault(part: Any, data: Mapping[str, Any]) -> str:
    """`plan 2 (search).fee: ...`."""
    loc = list(part["loc"])
    where = ""
    if len(loc) > 1 and loc[0] == "plan" and isinstance(loc[1], int):
        entry = data["plan"][loc[1]]
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"plan {loc[1] + 1}" + (f" ({name})" if isinstance(name, str) else "")
        loc = loc[2:]
    for item in loc:
        where += f" {item + 1}" if isinstance(item, int) else f"{'.' if where else ''}{item}"
    return f"{where or 'file'}: {part['msg'].removeprefix('Value error, ')}"
