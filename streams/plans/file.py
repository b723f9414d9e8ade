"""Reads the operator's plans file (`schemas/plans.py` says what is in it). All faults come at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.plans import Plan, PlansFile
from streams.errors import SettingsError
from streams.operator_file import faults_of, parse, read_text, same_names, sound


def parse_plans(text: str, name: str) -> tuple[Plan, ...]:
    """Plans from the text of a file called `name`, in its order. Raises `SettingsError` with every fault."""
    data = parse(text, name)
    faults: list[str] = []
    plans: tuple[Plan, ...] = ()
    try:
        plans = PlansFile.model_validate(data).plan
    except ValidationError as error:
        faults += [f"{name}: {one}" for one in faults_of(error, "plan", PlansFile, data)]
        plans = tuple(plan for _, plan in sound("plan", Plan, data))
    # Names are compared in what was written, so that they are told beside faults of other fields.
    faults += [f"{name}: {same}" for same in same_names("plan", data)]
    faults += [f"{name}: {other}" for other in (*_overlaps(plans), *_holes(plans))]
    if faults:
        raise SettingsError(faults)
    return plans


def load_plans(path: Path | None) -> tuple[Plan, ...]:
    """Plans of a file; none without one. Raises `SettingsError` when it cannot be read or is wrong."""
    if path is None:
        return ()
    return parse_plans(read_text(path), path.name)


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
