"""What is changed in a refused call, and whether it then is a call. Pure.

    fix = parse_fix(defaults=["id=@position"], renames=["agent=agent_id"], numbers=["input_tokens"])
    mended = mend(record, fix, place)      # a Call's JSON, or why it still is none

In this order: rename, number, text, set, default (a value where there is none). What the contract does not name is
dropped, so that nothing but metering data is sent again. `@position` and `@arrived` stand for an id made of the
reject's place in the log and for the time at which its record arrived: both are the same at every try, so that sending
twice makes a duplicate and no second call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.call import Call
from streams.errors import UsageError
from streams.meter.decode import decode
from streams.meter.judge import CUT, TAGS_MAX, VALUE_MAX
from streams.meter.route import key_of

POSITION = "@position"
ARRIVED = "@arrived"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a reject stands in the log."""

    incarnation: int
    partition: int
    offset: int
    item: int

    def __str__(self) -> str:
        return f"{self.incarnation}/{self.partition}/{self.offset}/{self.item}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """From `incarnation/partition/offset/item`. Raises `UsageError`."""
        parts = text.split("/")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            raise UsageError(f"{text!r} is no place of a reject: incarnation/partition/offset/item")
        return cls(*map(int, parts))


@dataclass(frozen=True, slots=True)
class Fix:
    """What to change, in the order of the fields here."""

    renames: tuple[tuple[str, str], ...] = ()
    numbers: tuple[str, ...] = ()
    """Fields whose text becomes a number."""
    texts: tuple[str, ...] = ()
    """Fields whose number becomes a text."""
    sets: tuple[tuple[str, Any], ...] = ()
    defaults: tuple[tuple[str, Any], ...] = ()
    """Values of fields that are absent or null."""

    def __str__(self) -> str:
        said = [f"rename {old}={new}" for old, new in self.renames]
        said += [f"number {name}" for name in self.numbers]
        said += [f"text {name}" for name in self.texts]
        said += [f"set {name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.sets]
        said += [f"default {name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.defaults]
        return "; ".join(said) or "as it is"


@dataclass(frozen=True, slots=True)
class Mended:
    """A call that the meter will take."""

    place: Place
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class StillBad:
    """A record that is no call even when mended."""

    place: Place
    reason: str
    detail: str


def parse_fix(
    sets: Sequence[str] = (),
    renames: Sequence[str] = (),
    numbers: Sequence[str] = (),
    texts: Sequence[str] = (),
    defaults: Sequence[str] = (),
) -> Fix:
    """From the command line. Raises `UsageError` with every fault."""
    faults: list[str] = []
    known = Call.model_fields
    pairs: dict[str, list[tuple[str, str]]] = {"set": [], "rename": [], "default": []}
    for option, given in (("set", sets), ("rename", renames), ("default", defaults)):
        for text in given:
            name, sign, value = text.partition("=")
            if not sign or not name or (option == "rename" and not value):
                faults.append(f"--{option} {text!r}: write NAME=VALUE")
                continue
            target = value if option == "rename" else name
            if target not in known:
                faults.append(f"--{option} {text!r}: the contract has no field {target!r}")
            pairs[option].append((name, value))
    faults += [
        f"--{option} {name!r}: the contract has no field {name!r}"
        for option, given in (("number", numbers), ("text", texts))
        for name in given
        if name not in known
    ]
    if faults:
        raise UsageError("cannot mend like this\n" + "\n".join(f"  - {fault}" for fault in faults))
    return Fix(
        tuple(pairs["rename"]),
        tuple(numbers),
        tuple(texts),
        tuple((name, _value(text)) for name, text in pairs["set"]),
        tuple((name, _value(text)) for name, text in pairs["default"]),
    )


def _value(text: str) -> Any:
    """JSON when it is JSON, else the text itself: `--set attempt=2`, `--set team_id=search`."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(found, float) and not math.isfinite(found) else found


def mend(record: Any, fix: Fix, place: Place, arrived_ms: int, now_ms: int, *, whole: bool = True) -> Mended | StillBad:
    """Change one refused call and judge it as the meter will, at `now_ms` (epoch ms).

    `whole`: `record` is the original; else it is what the ledger kept, whose long texts are cut.
    """
    if not isinstance(record, dict):
        return StillBad(place, "not_an_object", "there is no object to mend: write the call by hand (`rejects export`)")
    fields = dict(record)
    for old, new in fix.renames:
        if old in fields:
            fields[new] = fields.pop(old)
    for name in fix.numbers:
        fields[name] = _number(fields.get(name))
    for name in fix.texts:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            fields[name] = repr(value)
    for name, value in fix.sets:
        fields[name] = _special(value, place, arrived_ms)
    for name, value in fix.defaults:
        if fields.get(name) in (None, ""):
            fields[name] = _special(value, place, arrived_ms)
    cut = "" if whole else _cut(fields, fix)
    call = {name: fields[name] for name in Call.model_fields if fields.get(name) is not None}
    try:
        value = json.dumps(call, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, UnicodeEncodeError):
        return StillBad(place, "bad_text", "a text or number cannot be written as JSON")
    verdict = decode([value], [now_ms])
    if verdict.rejects:
        refused = verdict.rejects[0]
        return StillBad(place, refused.reason, refused.detail)
    if cut:
        return StillBad(place, "cut", f"{cut}: the ledger keeps only its beginning; set it, or mend from the log")
    judged = verdict.calls[0]
    return Mended(place, key_of(judged.run_id, judged.agent_id).encode(), value)


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.lstrip("-").isdigit() and value.isascii() and len(value) < 20 else float(value)
    except ValueError:
        return value


def _special(value: Any, place: Place, arrived_ms: int) -> Any:
    if value == POSITION:
        return f"reject-{place.incarnation}-{place.partition}-{place.offset}-{place.item}"
    return arrived_ms if value == ARRIVED else value


def _cut(fields: Mapping[str, Any], fix: Fix) -> str:
    """A field of which the ledger kept the beginning only, and which is not set anew."""
    own = {name for name, _ in fix.sets}
    for name, value in fields.items():
        if name in own or name not in Call.model_fields:
            continue
        texts = [value, *value, *value.values()] if isinstance(value, dict) else [value]
        if any(
            isinstance(text, str) and len(text) in {len(CUT), VALUE_MAX + 1} and text.endswith(CUT) for text in texts
        ):
            return name
        if name == "tags" and isinstance(value, dict) and len(value) == TAGS_MAX:
            return name
    return ""
