"""Derives a msgspec Struct from a pydantic contract, so that there is one source of every constraint.

The struct may refuse more than the model (what it refuses goes to the model, whose verdict is final) but must accept
nothing that the model refuses. So each constraint found, also inside `Optional[Annotated[...]]`, is carried over, and
metadata that is not understood is an error here, not a constraint lost in silence.

With `blank` the struct accepts also what counts as absent in optional text, null and the empty string; the caller puts
the defaults in their place.

Not carried over, because msgspec has no word for them: validators of the model (cross-field rules), the range and form
of a time, and patterns named in `guarded`. The caller checks those itself.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import annotated_types
import msgspec
from pydantic.fields import FieldInfo

from schemas.base import Contract
from schemas.times import Time

_BOUNDS: Final = {
    annotated_types.Ge: "ge",
    annotated_types.Gt: "gt",
    annotated_types.Le: "le",
    annotated_types.Lt: "lt",
    annotated_types.MinLen: "min_length",
    annotated_types.MaxLen: "max_length",
}


def _flatten(metadata: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for item in metadata:
        flat.extend(_flatten(item.metadata) if isinstance(item, FieldInfo) else [item])
    return flat


def _constrain(kind: Any, metadata: Iterable[Any], guarded: frozenset[str], blank: bool) -> Any:
    """`kind` with pydantic's metadata as msgspec's; a `Time` becomes what it is on the wire."""
    limits: dict[str, Any] = {}
    for item in _flatten(metadata):
        if isinstance(item, Time):
            return int | str
        if type(item) in _BOUNDS:
            name = _BOUNDS[type(item)]
            if not (blank and name == "min_length"):
                limits[name] = getattr(item, name)
        elif (pattern := getattr(item, "pattern", None)) is not None:
            if pattern not in guarded:
                # `$` in Python's re also matches before a last newline; pydantic's and ECMA's do not.
                pattern = pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
                limits["pattern"] = rf"(?:{pattern})|\A\Z" if blank else pattern
        else:
            raise TypeError(f"cannot carry {item!r} over to msgspec")
    return Annotated[kind, msgspec.Meta(**limits)] if limits else kind


def _convert(annotation: Any, guarded: frozenset[str], blank: bool) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _constrain(_convert(args[0], guarded, blank), args[1:], guarded, blank)
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, (_convert(arg, guarded, blank) for arg in args))
    if origin is Literal:
        return Literal[*args, ""] if blank else annotation
    if origin in (dict, list):
        return origin[tuple(_convert(arg, guarded, blank) for arg in args)]
    if annotation in (str, int, float, type(None)):
        return annotation
    raise TypeError(f"cannot carry {annotation!r} over to msgspec")


def derive_struct(
    model: type[Contract], name: str, guarded: Iterable[str] = (), *, blank: bool = False
) -> type[msgspec.Struct]:
    """A mutable struct with the model's fields, types, constraints and defaults; absent optionals are the default.

    `guarded`: patterns that the caller checks on the raw bytes instead. `blank`: accept null in every optional field
    and `""` in those of text, and keep them as they are. Raises TypeError for what cannot be carried over.
    """
    patterns = frozenset(guarded)
    required: list[tuple[str, Any]] = []
    optional: list[tuple[str, Any, Any]] = []
    for field, info in model.model_fields.items():
        is_blank = blank and field in model.optional_text
        kind = _constrain(_convert(info.annotation, patterns, is_blank), info.metadata, patterns, is_blank)
        if info.is_required():
            required.append((field, kind))
        else:
            optional.append((field, kind | None if blank else kind, info.default))
    # gc=False: a call holds only text, numbers and one flat dict, so no cycle can pass through it.
    return msgspec.defstruct(name, [*required, *optional], module=__name__, gc=False, kw_only=True)
