"""Writes what is derived from the models: `json/*.schema.json`, and the tables between the marks of README.md.

`python -m schemas.generate` writes, `--check` only tells whether the files differ (exit code 1). Same models, same
bytes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from schemas.base import Contract
from schemas.call import Call
from schemas.control import Control
from schemas.incident import Incident
from schemas.outcome import Outcome
from schemas.reasons import REASONS
from schemas.signal import Signal
from schemas.usage import Usage

HERE: Final = Path(__file__).parent
CONTRACTS: Final[dict[str, type[Contract]]] = {
    "call": Call,
    "outcome": Outcome,
    "usage": Usage,
    "signal": Signal,
    "incident": Incident,
    "control": Control,
}


def _without_titles(node: Any) -> Any:
    """pydantic titles every property with its own name; `default: null` says what `type: null` says already."""
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
        }
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    return node


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of one object of a contract. Rules between fields are in its description only."""
    body = _without_titles(CONTRACTS[name].model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:spendstream:{name}:v1",
        "title": f"{name} v1",
        **body,
    }


def _kind(entry: dict[str, Any]) -> str:
    """The accepted JSON of one property, in words."""
    if "anyOf" in entry:
        parts = [_kind(part) for part in entry["anyOf"] if part != {"type": "null"} and part != {"const": ""}]
        return " or ".join(parts)
    if "enum" in entry:
        return " \\| ".join(f"`{value}`" for value in entry["enum"])
    kind = str(entry["type"])
    if kind == "string":
        if entry.get("format") == "date-time":
            return "RFC 3339 with zone"
        if "maxLength" in entry:
            return f"string, {entry.get('minLength', 0)} to {entry['maxLength']} characters"
        return "decimal string"
    if kind == "array":
        return f"array of: {_kind(entry['items'])}"
    if kind == "object":
        return f"object of strings, up to {entry['maxProperties']}"
    if "minimum" not in entry:
        return kind
    if "exclusiveMaximum" in entry:
        return "integer epoch ms"
    if entry["minimum"] == entry.get("maximum"):
        return f"{kind} {entry['minimum']}"
    return f"{kind}, {entry['minimum']:,} to {entry['maximum']:,}" if "maximum" in entry else f"{kind} >= 0"


def fields_table(name: str) -> str:
    """A Markdown table of a contract's fields."""
    schema = json_schema(name)
    required = set(schema["required"])
    lines = ["| field | | JSON | meaning |", "|---|---|---|---|"]
    for field, entry in schema["properties"].items():
        need = "required" if field in required else ""
        lines.append(f"| `{field}` | {need} | {_kind(entry)} | {entry['description']} |")
    return "\n".join(lines)


def reasons_table() -> str:
    """A Markdown table of the reason codes."""
    return "\n".join(
        ["| reason | meaning |", "|---|---|", *(f"| `{code}` | {text} |" for code, text in REASONS.items())]
    )


def outputs() -> dict[Path, str]:
    """Every generated file and its text; README.md keeps what is outside the marks."""
    files = {
        HERE / "json" / f"{name}.schema.json": json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"
        for name in CONTRACTS
    }
    tables = {f"fields {name}": fields_table(name) for name in CONTRACTS} | {"reasons": reasons_table()}
    readme = (HERE / "README.md").read_text("utf-8")
    for mark, table in tables.items():
        begin, end = f"<!-- begin {mark} -->", f"<!-- end {mark} -->"
        parts = re.split(f"{begin}.*?{end}", readme, flags=re.DOTALL)
        if len(parts) != 2:
            raise ValueError(f"README.md must have the marks {begin} and {end} once")
        readme = f"{parts[0]}{begin}\n{table}\n{end}{parts[1]}"
    files[HERE / "README.md"] = readme
    return files


def stale() -> list[Path]:
    """The generated files that differ from the models or are missing."""
    return [path for path, text in outputs().items() if not path.exists() or path.read_text("utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; 1 when they differ."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    check = parser.parse_args(arguments).check
    for path in (old := stale()):
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(outputs()[path], "utf-8")
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(HERE.parent)}\n")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
