"""Do the boards fit the types that grafana-foundation-sdk has for Grafana's dashboards? Developers have it; users need
not.

The JSON is read into the SDK's classes, each value is held against its declared type, and what the classes write
again must equal what was read: a misspelt key would be lost on the way.
"""

from __future__ import annotations

import enum
import json
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from streams.errors import UsageError


def misfits(board: Mapping[str, Any]) -> list[str]:
    """Places where the board does not fit, as `path: what`. Raises `UsageError` when the SDK is not installed."""
    try:
        with warnings.catch_warnings():
            # It would rather have its second dashboard schema; the first is what Grafana's files and HTTP API take.
            warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
            from grafana_foundation_sdk.cog import plugins
            from grafana_foundation_sdk.cog.encoder import JSONEncoder
            from grafana_foundation_sdk.models.dashboard import AnnotationTarget, Dashboard

            plugins.register_default_plugins()
    except ImportError as error:
        raise UsageError(
            f"building boards needs the development packages (pip install 'spendstream[dev]'): {error}"
        ) from error
    board, targets = _without_targets(board)
    found: list[str] = []
    for path, target in targets:
        marks = AnnotationTarget.from_json(target)
        found += [*_lost(target, json.loads(json.dumps(marks, cls=JSONEncoder)), path)]
        found += _wrong(marks, AnnotationTarget, path)
    try:
        read = Dashboard.from_json(dict(board))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return [f"not a dashboard: {type(error).__name__}: {error}"]
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    return [*found, *_lost(board, again, ""), *_wrong(read, Dashboard, "")]


def _without_targets(board: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[tuple[str, dict[str, Any]]]]:
    """The board without the targets of its annotations, and those: the class takes them for data queries, and would
    lose what chooses Grafana's own annotations by tags.
    """
    copy: dict[str, Any] = json.loads(json.dumps(board))
    listed = copy.get("annotations", {}).get("list", [])
    targets = [
        (f".annotations.list[{at}].target", one.pop("target"))
        for at, one in enumerate(listed)
        if isinstance(one, dict) and isinstance(one.get("target"), dict)
    ]
    return copy, targets


def _lost(before: object, after: object, path: str) -> Iterator[str]:
    """What is in `before` and not, or otherwise, in `after`; defaults that the classes add do not count."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in before.items():
            if key not in after:
                if value is not None:
                    yield f"{path}.{key}: unknown to Grafana's dashboards"
            else:
                yield from _lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _lost(one, other, f"{path}[{at}]")
    elif before != after:
        yield f"{path}: {before!r} is read as {after!r}"


def _wrong(value: object, hint: Any, path: str) -> Iterator[str]:
    """Where `value` is not of the type `hint`."""
    origin = typing.get_origin(hint)
    if hint is Any or hint is object or isinstance(hint, typing.TypeVar):
        # A panel's options: declared as anything, read into the class of the panel's type.
        if hasattr(value, "to_json"):
            yield from _wrong(value, type(value), path)
        return
    if origin in {typing.Union, types.UnionType}:
        tries = [list(_wrong(value, one, path)) for one in typing.get_args(hint)]
        if all(tries):
            # The member that the value comes closest to is the one whose fault lies deepest.
            yield from max(tries, key=lambda faults: len(faults[0].partition(":")[0]))
    elif origin is list:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for at, one in enumerate(value):
            yield from _wrong(one, (typing.get_args(hint) or (Any,))[0], f"{path}[{at}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
    elif origin is typing.Literal:
        if value not in typing.get_args(hint):
            yield f"{path}: {value!r} is none of {typing.get_args(hint)}"
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if (value.value if isinstance(value, enum.Enum) else value) not in [member.value for member in hint]:
            yield f"{path}: {value!r} is none of {[member.value for member in hint]}"
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path}: {value!r} is no number"
    elif isinstance(hint, type):
        if (isinstance(value, bool) and hint is int) or not isinstance(value, hint):
            yield f"{path}: {value!r} is no {hint.__name__}"
        elif hasattr(value, "to_json"):
            for name, declared in typing.get_type_hints(type(value)).items():
                if name in vars(value):
                    yield from _wrong(vars(value)[name], declared, f"{path}.{name}")
