"""The only two ways to write a time in a contract: RFC 3339 with a zone, or integer milliseconds since 1970-01-01 UTC.

Contract of `parse_time`: any value in, epoch milliseconds out, or a `PydanticCustomError` whose type is a reason code.
Digits below the millisecond are cut off, never rounded: a call stays in the second in which it happened.

Known limits: a leap second (`:60`) is refused, as is the blank between date and time that RFC 3339 allows for display.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

EARLIEST_MS: Final = 1_420_070_400_000
"""2015-01-01T00:00:00Z. No metered model call is older; what is older is an epoch in seconds, or a clock never set."""

LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01T00:00:00Z, exclusive: a ClickHouse DateTime ends in 2106. Later is an epoch in micro- or nanoseconds."""

TIME_MAX_LENGTH: Final = 64
"""Characters of a time string: 35 hold nanoseconds and an offset; the rest is room for longer fractions."""

TIME_PATTERN: Final = (
    r"^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$"
)
_FULL: Final = re.compile(TIME_PATTERN.replace("$", r"\Z"))
_EPOCH_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


def parse_rfc3339(text: str) -> int | None:
    """RFC 3339 with a zone to epoch milliseconds; None when it is not one (range is not judged here)."""
    match = _FULL.match(text) if len(text) <= TIME_MAX_LENGTH else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    fraction, sign, offset_hours, offset_minutes = match.group(7, 8, 9, 10)
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        days = datetime(year, month, day, tzinfo=UTC).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    offset = 0
    if sign is not None:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            return None
        offset = int(offset_hours) * 60 + int(offset_minutes)
        offset = -offset if sign == "-" else offset
    millis = int(fraction[:3].ljust(3, "0")) if fraction else 0
    return ((days * 1440 + hour * 60 + minute - offset) * 60 + second) * 1000 + millis


def parse_time(value: object) -> int:
    """A contract's time to epoch milliseconds UTC; raises `PydanticCustomError` with a reason code as its type."""
    if isinstance(value, str):
        parsed = parse_rfc3339(value)
        if parsed is None:
            raise PydanticCustomError("bad_time", "Input should be RFC 3339 with a zone or integer epoch milliseconds")
    elif isinstance(value, int) and not isinstance(value, bool):
        parsed = value
    else:
        raise PydanticCustomError("wrong_type", "Input should be an RFC 3339 string or integer epoch milliseconds")
    if parsed < EARLIEST_MS:
        raise PydanticCustomError("time_too_old", "Time is before 2015-01-01 (epoch seconds instead of milliseconds?)")
    if parsed >= LATEST_MS:
        raise PydanticCustomError("time_in_future", "Time is after 2099 (microseconds instead of milliseconds?)")
    return parsed


@dataclass(frozen=True, slots=True)
class Time:
    """Marks an `int` field as a time: on the wire a string or an integer, in memory epoch milliseconds."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The validator, replacing that of plain `int`."""
        return core_schema.no_info_plain_validator_function(parse_time)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What JSON Schema can say of it: two types, a pattern and a range."""
        return {
            "anyOf": [
                {"type": "string", "format": "date-time", "pattern": TIME_PATTERN, "maxLength": TIME_MAX_LENGTH},
                {"type": "integer", "minimum": EARLIEST_MS, "exclusiveMaximum": LATEST_MS},
            ]
        }


EpochMs = Annotated[int, Time()]
