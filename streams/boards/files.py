"""Finds the folder of boards, beside the packages in a checkout or inside the package in a wheel, and reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.errors import UsageError

_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parents[1] / "_dashboards", _HERE.parents[2] / "dashboards")


@dataclass(frozen=True, slots=True)
class Boards:
    """What stands in the folder: boards by file name, and alert rules as Grafana's provisioning has them."""

    boards: Mapping[str, dict[str, Any]]
    rules: dict[str, Any]


def folder() -> Path:
    """The folder of boards. Raises `UsageError` when this installation has none."""
    for place in _PLACES:
        if (place / "json").is_dir():
            return place
    raise UsageError("the boards are missing from this installation; looked in " + ", ".join(map(str, _PLACES)))


def read(place: Path | None = None) -> Boards:
    """The committed boards and rules. Raises `UsageError` for a file that is no JSON."""
    place = place or folder()
    boards = {path.stem: _json(path) for path in sorted((place / "json").glob("*.json"))}
    if not boards:
        raise UsageError(f"no boards in {place / 'json'}")
    return Boards(boards, _json(place / "provisioning" / "alerting" / "rules.json"))


def stale(place: Path, wanted: Mapping[str, str]) -> list[str]:
    """Generated files below `place` that differ from `wanted` (path -> text), are missing, or should not be there."""
    found = {f"json/{path.name}" for path in (place / "json").glob("*.json")}
    different = [
        name
        for name, text in wanted.items()
        if not (place / name).is_file() or (place / name).read_text("utf-8") != text
    ]
    return sorted({*different, *(found - wanted.keys())})


def write(place: Path, wanted: Mapping[str, str]) -> list[str]:
    """Make the folder equal `wanted`; returns what changed."""
    changed = stale(place, wanted)
    for name in changed:
        if name in wanted:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(wanted[name], "utf-8")
        else:
            (place / name).unlink()
    return changed


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a JSON object")
    return document
