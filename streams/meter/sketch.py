"""What may be kept of bytes that do not parse: their shape, and what names the sender. Never running text.

In broken JSON a prompt cannot be told from anything else by its place, so everything is masked (`…`) that is not

    structure       { } [ ] : , and the words true, false, null
    a field's name  when it is one of the contract's
    its value       when it directly follows such a name and is a number or looks like an id: at most 128 letters,
                    digits and the signs of ids, without a blank

which still shows who sent it (`"agent_id": "a-7"`), what kind of thing it is and about where it breaks (the detail has
the character). Pure and total; the result is at most as long as the text.
"""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

MASK: Final = "…"

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+)
    | (?P<sign>[{}\[\]:,])
    | "(?P<double>(?:[^"\\]|\\.)*)(?P<closed>"?)
    | '(?P<single>(?:[^'\\]|\\.)*)(?P<ended>'?)
    | (?P<word>[^\s{}\[\]:,"']+)""",
    re.VERBOSE | re.DOTALL,
)
_ID: Final = re.compile(r"[A-Za-z0-9_.:/@+\-]{1,128}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_LITERALS: Final = frozenset({"true", "false", "null"})


def sketch(text: str, names: Set[str]) -> str:
    """The shape of `text`; `names` are the contract's fields."""
    out: list[str] = []
    field = ""
    """The contract's field whose value comes next; empty when it is none."""
    after_colon = False
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "blank":
            if out and out[-1] != " ":
                out.append(" ")
            continue
        if kind == "sign":
            sign = match.group()
            out.append(sign)
            if sign == ":" and field and not after_colon:
                after_colon = True
            else:
                field, after_colon = "", False
            continue
        quoted = kind in {"double", "closed", "single", "ended"}
        if quoted:
            mark = match.group()[0]
            inner = match.group("double") if mark == '"' else match.group("single")
            whole = len(match.group()) == len(inner) + 2
            if whole and after_colon and _ID.fullmatch(inner):
                out.append(match.group())
                field, after_colon = "", False
            elif whole and not after_colon and inner in names:
                out.append(match.group())
                field = inner
            else:
                out.append(f"{mark}{MASK}{mark if whole else ''}")
                field, after_colon = "", False
            continue
        word = match.group()
        kept = word in _LITERALS or (after_colon and _NUMBER.fullmatch(word))
        if kept or out[-1:] != [MASK]:
            out.append(word if kept else MASK)
        field, after_colon = "", False
    return _joined(out)


def _joined(out: list[str]) -> str:
    """Masks with nothing but blanks between them become one: how many words there were is nobody's business."""
    text = "".join(out)
    return re.sub(rf"{MASK}(?: ?{MASK})+", MASK, text).strip()
