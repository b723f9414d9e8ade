"""What the operator's files of entries (`[[budget]]`, `[[plan]]`, `[[price]]`, `[[tier]]`) have in common: how they are
read, and how a fault names its entry and says how to mend it.

All faults of a file come at once: those within entries, and those between entries that are right on their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.base import ENTRY_NAME
from streams import toml
from streams.errors import SettingsError

Entry = TypeVar("Entry", bound=BaseModel)


def read_text(path: Path) -> str:
    """The file, without the mark that some editors put before UTF-8. Raises `SettingsError` when it cannot be read or
    is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: cannot be read: byte {error.start} is not UTF-8; save it as UTF-8"]) from error
    except OSError as error:
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


def sound(entry: str, model: type[Entry], data: Mapping[str, Any]) -> list[tuple[int, Entry]]:
    """The entries of the table `entry` that are right on their own, with their places from 1."""
    entries = data.get(entry)
    found = []
    for number, one in enumerate(entries if isinstance(entries, list) else [], 1):
        try:
            found.append((number, model.model_validate(one)))
        except ValidationError:
            continue
    return found


def faults_of(error: ValidationError, entry: str, file: type[BaseModel], data: Mapping[str, Any]) -> list[str]:
    """Pydantic's errors about a `file` in words: `plan 2 (search).fee: ...`."""
    return [f"{_where(entry, part['loc'], data)}: {_words(part, file)}" for part in error.errors(include_url=False)]


def _where(entry: str, found: tuple[int | str, ...], data: Mapping[str, Any]) -> str:
    loc = list(found)
    where = ""
    if len(loc) > 1 and loc[0] == entry and isinstance(loc[1], int):
        one = data[entry][loc[1]]
        name = one.get("name") if isinstance(one, dict) else None
        where = f"{entry} {loc[1] + 1}" + (f" ({name})" if isinstance(name, str) else "")
        loc = loc[2:]
    for item in loc:
        where += f" {item + 1}" if isinstance(item, int) else f"{'.' if where else ''}{item}"
    return where or "file"


def _words(part: Any, file: type[BaseModel]) -> str:
    if part["type"] == "extra_forbidden":
        near = get_close_matches(str(part["loc"][-1]), _keys(file), n=1)
        return "there is no such key; " + (f"did you mean {near[0]!r}?" if near else "leave it out")
    if part["type"] == "string_pattern_mismatch" and part["ctx"]["pattern"] == ENTRY_NAME:
        return "only letters, digits, '.', '_' and '-' make a name, a letter or a digit first"
    if part["type"] == "tuple_type" and len(part["loc"]) == 1:
        return f"each entry begins with [[{part['loc'][0]}]], in two brackets"
    return str(part["msg"]).removeprefix("Value error, ")


def _keys(file: type[BaseModel]) -> list[str]:
    """All that may stand left of a `=` anywhere in the file, and the names of its tables."""
    schema = file.model_json_schema()
    tables = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for table in tables for key in table.get("properties", {})})
