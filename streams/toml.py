"""TOML of the operator's files: what cannot be read is one kind of error, whatever the text.

`tomllib` lets out ValueError for an integer of thousands of digits, ArithmeticError for an exponent that is beyond
`Decimal`, and RecursionError for thousands of brackets.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from tomllib import TOMLDecodeError
from typing import Any

__all__ = ["TOMLDecodeError", "loads"]


def loads(text: str, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """The table of a TOML text. Raises `TOMLDecodeError`."""
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except TOMLDecodeError:
        raise
    except (ValueError, ArithmeticError) as error:
        raise TOMLDecodeError(f"a number cannot be read: {str(error).partition(';')[0]}") from error
    except RecursionError as error:
        raise TOMLDecodeError("arrays or tables are nested too deep") from error
