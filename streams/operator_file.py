"""What the operator's files of named entries (`[[budget]]`, `[[plan]]`) have in common: how they are read, and how a
fault names its entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from streams import toml
from streams.errors import SettingsError


def read_text(path: Path) -> str:
    """The file. Raises `SettingsError` when it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {error}"]) from error


def parse(text: str, name: str) -> dict[str, Any]:
    """TOML with exact decimals, from the text of a file called `name`. Raises `SettingsError`."""
    try:
        return toml.loads(text, parse_float=Decimal)
    except toml.TOMLDecodeError as error:
        raise SettingsError([f"{name}: is not TOML: {error}"]) from error


def same_names(entry: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Entries of the table `entry` that are called the same; upper and lower case do not tell two apart."""
    entries = data.get(entry)
    seen: dict[str, int] = {}
    for number, one in enumerate(entries if isinstance(entries, list) else [], 1):
        name = one.get("name") if isinstance(one, dict) else None
        if isinstance(name, str):
            first = seen.setdefault(name.casefold(), number)
            if first != number:
                yield f"{entry} {first} and {entry} {number} are both called {name!r}: give each a name of its own"


def fault(entry: str, part: Any, data: Mapping[str, Any]) -> str:
    """One of pydantic's errors in words: `plan 2 (search).fee: ...`."""
    loc = list(part["loc"])
    where = ""
    if len(loc) > 1 and loc[0] == entry and isinstance(loc[1], int):
        one = data[entry][loc[1]]
        name = one.get("name") if isinstance(one, dict) else None
        where = f"{entry} {loc[1] + 1}" + (f" ({name})" if isinstance(name, str) else "")
        loc = loc[2:]
    for item in loc:
        where += f" {item + 1}" if isinstance(item, int) else f"{'.' if where else ''}{item}"
    return f"{where or 'file'}: {part['msg'].removeprefix('Value error, ')}"
