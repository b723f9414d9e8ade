"""The stable codes of why a call was rejected, and how pydantic's errors map to them.

Codes are part of the contract: they are stored in the ledger and counted in metrics; messages beside them may change.
"""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    "empty": "The record has no value, only white space, or an empty array.",
    "too_large": "The record's value is longer than 4 MiB.",
    "too_many_calls": "The record holds more than 50,000 calls.",
    "not_utf8": "The bytes are not UTF-8.",
    "not_json": "The text is not JSON (RFC 8259; NaN and Infinity are not JSON).",
    "too_deep": "Objects and arrays are nested more than 200 levels deep.",
    "not_an_object": "JSON, but neither an object nor an array of objects.",
    "missing_field": "A required field is absent or null.",
    "wrong_type": "A known field has another JSON type than the contract's; nothing is coerced.",
    "out_of_range": "A number, or the length of a text or map, is outside its bounds.",
    "unknown_value": "A field with a fixed list of values holds another one.",
    "bad_text": "A text holds NUL or half of a surrogate pair.",
    "bad_decimal": "`reported_cost` is not a plain decimal of at most 6 digits before and 12 after the point.",
    "bad_time": "`time` is a text that is not RFC 3339 with a zone.",
    "time_too_old": "`time` is before 2015-01-01.",
    "time_in_future": "`time` is more than 24 hours after the record's Kafka timestamp, or after 2099.",
    "cache_exceeds_input": "Cache reads and writes exceed `input_tokens`, which must include them.",
    "reasoning_exceeds_output": "`reasoning_output_tokens` exceed `output_tokens`, which must include them.",
    "bad_table": "The columns of a `usage` record do not make a table.",
}

_BY_ERROR_TYPE: Final[dict[str, str]] = {
    "missing": "missing_field",
    "literal_error": "unknown_value",
    "string_unicode": "bad_text",
    "string_too_short": "out_of_range",
    "string_too_long": "out_of_range",
    "too_long": "out_of_range",
    "too_short": "out_of_range",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "int_parsing_size": "out_of_range",
}


def reason_of(error_type: str, field: str) -> str:
    """The code for a pydantic error type in a top-level field (empty for the whole object)."""
    if error_type in REASONS:
        return error_type
    if error_type == "string_pattern_mismatch":
        return "bad_decimal" if field == "reported_cost" or field.endswith("_usd") else "bad_text"
    return _BY_ERROR_TYPE.get(error_type, "wrong_type")
