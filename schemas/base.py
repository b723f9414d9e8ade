"""What all contracts share: strict types, unknown fields ignored, and one rule for what counts as absent.

An optional field that is JSON null counts as absent; so does an empty string in an optional field of text, because
encoders that cannot omit a field (Go structs, CSV bridges) send `""`. Required fields have no such grace.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

NO_NUL: Final = r"^[^\x00]*$"
"""NUL is the one character refused in text: C clients and BI tools cut a string there, and two ids would become one."""

ENTRY_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What budgets, plans and controls of the operator's files may be called."""

Id = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
"""The id of a call: 128 holds any UUID, ULID or provider id with room for a prefix."""

Name = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
"""Names and references: 256 holds paths such as `team/service/agent:step`, and bounds what one call costs in memory."""

Tier = Literal["oss", "mid", "frontier"]
TaskClass = Literal["routine", "standard", "complex"]


def is_text(annotation: Any) -> bool:
    """True for `str` and for literals of strings, also inside `Annotated` and unions with None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return is_text(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return all(is_text(part) for part in get_args(annotation) if part is not type(None))
    if origin is Literal:
        return all(isinstance(value, str) for value in get_args(annotation))
    return annotation is str


def is_name(annotation: Any, metadata: Sequence[Any] = ()) -> bool:
    """True for `Name` and `Id`, also in a union with None: strings with no other pattern than `NO_NUL`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return is_name(inner, [part for one in more for part in getattr(one, "metadata", [one])])
    if origin in (Union, types.UnionType):
        return all(is_name(part) for part in get_args(annotation) if part is not type(None))
    patterns = {getattr(part, "pattern", None) for part in metadata}
    return annotation is str and patterns <= {None, NO_NUL} and NO_NUL in patterns


class Contract(BaseModel):
    """Base of every contract model; `Model.model_validate(obj)` is the final verdict on a parsed JSON value."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)

    optional_fields: ClassVar[frozenset[str]] = frozenset()
    optional_text: ClassVar[frozenset[str]] = frozenset()
    names: ClassVar[frozenset[str]] = frozenset()
    """Fields that are names or ids, and so take any text: not times, amounts or words of a fixed list."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Note which fields may be absent, once per model."""
        super().__pydantic_init_subclass__(**kwargs)
        fields = cls.model_fields
        cls.optional_fields = frozenset(name for name, field in fields.items() if not field.is_required())
        cls.optional_text = frozenset(name for name in cls.optional_fields if is_text(fields[name].annotation))
        cls.names = frozenset(name for name, field in fields.items() if is_name(field.annotation, field.metadata))

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        optional, text = cls.optional_fields, cls.optional_text
        return {
            key: item
            for key, item in value.items()
            if not ((item is None and key in optional) or (item == "" and key in text))
        }

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say in JSON Schema, too, that null and (for text) the empty string are accepted in optional fields."""
        outer = handler(schema)
        properties = handler.resolve_ref_schema(outer)["properties"]
        for name in cls.optional_fields:
            entry = properties[name]
            keep = {key: entry.pop(key) for key in ("description", "default", "title") if key in entry}
            kinds = entry.pop("anyOf", None) or [dict(entry)]
            if {"type": "null"} not in kinds:
                kinds.append({"type": "null"})
            if name in cls.optional_text:
                kinds.append({"const": ""})
            entry.clear()
            entry.update(keep, anyOf=kinds)
        return outer
