"""Says of one SQL statement whether the read-only endpoint may run it. Pure: text in, verdict out.

The engine's own `readonly=1` refuses writes, DDL, SET, temporary tables and the table functions that reach files or the
network, but (26.9) lets pass: `INTO OUTFILE`, the scalar function `file()`, KILL QUERY, BACKUP, `DESCRIBE file(...)`,
and structure strings, whose ALIAS columns hide a `file()` from all parsers but one (`values('a String ALIAS ..')`).

So the statement is judged in its CANONICAL text, which the engine's own parser printed (`formatQuerySingleLine`): one
statement, no comments, every string literal 'quoted' with backslash escapes, every identifier bare or `quoted`. Nothing
can be hidden from the small lexer here that the parser itself has not seen; what the lexer cannot read is refused.

Settings come only from the URL (readonly=1 refuses a SETTINGS clause): those on a list that cannot choose another
parser, name a file, carry an expression or lift a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

READING_STATEMENTS = frozenset({"select", "with", "(", "show", "describe", "exists", "explain"})
HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        *("numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "primes"),
        *("view", "merge", "mergetreeindex"),
    }
)
"""Table functions that neither leave the database nor parse text: no structure string, no query string, no path."""
ALSO_SCALAR = frozenset({"format", "fuzzquery"})
"""Names of a table function and of a harmless scalar one; as table functions readonly=1 refuses or disarms them."""
FORBIDDEN_WORDS = frozenset({"file", "outfile", "infile"})
"""Anywhere outside a literal: `APPLY file` calls a function without a parenthesis."""

_TOKEN = re.compile(
    r"""\s+
    | (?P<literal>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][A-Za-z0-9_.]*)
    | (?P<sign>[^\s'`"A-Za-z0-9_])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal`: why the statement may not run, None when it may. `format`: the FORMAT it names itself."""

    refusal: str | None
    format: str | None = None


def judge(canonical: str, table_functions: Iterable[str]) -> Verdict:
    """Judge a statement by its canonical text; `table_functions` are the names that the engine has, in any case."""
    try:
        tokens = list(_tokens(canonical))
    except ValueError as error:
        return Verdict(str(error))
    if not tokens:
        return Verdict("there is no statement")
    if not canonical.lstrip().startswith(tokens[0]):
        return Verdict("a statement does not begin with a literal")
    first = tokens[0].lower()
    if first not in READING_STATEMENTS:
        return Verdict(f"{tokens[0]} is no statement that reads: SELECT, SHOW, DESCRIBE, EXISTS and EXPLAIN are")
    exempt = HARMLESS_TABLE_FUNCTIONS | (ALSO_SCALAR if first != "describe" else frozenset())
    refused = {name.lower() for name in table_functions} - exempt
    named: str | None = None
    for position, token in enumerate(tokens):
        word = token.strip("`").lower()
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        if word in FORBIDDEN_WORDS:
            return Verdict(f"the name {word} reaches local files and is refused wherever it stands")
        if following == "(" and word in refused:
            return Verdict(f"the table function {word} reaches beyond the ledger")
        if token == "FORMAT" and re.fullmatch(r"\w+", following):
            named = following
    return Verdict(None, named)


def _tokens(canonical: str) -> Iterator[str]:
    """Words, quoted identifiers, numbers and signs, without literals; ValueError where the text cannot be read."""
    position = 0
    while position < len(canonical):
        found = _TOKEN.match(canonical, position)
        if found is None:
            raise ValueError(f"the statement cannot be judged from position {position}")
        position = found.end()
        if found.lastgroup not in {None, "literal"}:
            yield found.group()


_SETTING_ALLOWED = re.compile(
    r"(max|min|output_format|format_csv|join|group_by|distinct|date_time|use|optimize|enable|query_plan|prefer|cast|"
    r"totals|union|short_circuit|aggregate_functions|count_distinct|low_cardinality|allow_experimental)_\w+"
    r"|\w+_overflow_mode|extremes|final|limit|offset|log_comment|priority|session_timezone|transform_null_in"
    r"|exact_rows_before_limit|joined_subquery_requires_alias|empty_result_for_aggregation_by_empty_set"
    r"|any_join_distinct_right_table_keys|decimal_check_overflow|force_index_by_date|force_primary_key"
)
_SETTING_VETO = re.compile(
    r"dialect|path|url|file|schema|template|filter|custom_key|python|fuzz|access|introspection|parser|ast_|eval|"
    r"_ai_|profile|session(?!_timezone)|insert|s3|azure|hdfs|remote|distributed|replica|concurrent"
)


def setting_is_harmless(name: str) -> bool:
    """Whether a client may give this setting in the URL."""
    return _SETTING_ALLOWED.fullmatch(name) is not None and _SETTING_VETO.search(name) is None


def clamp(wanted: Mapping[str, str], caps: Mapping[str, int]) -> dict[str, str]:
    """The settings to run with: `wanted`, but none of `caps` above its value, off (0) or missing.

    A capped setting whose value is no plain number takes the cap.
    """
    settled = dict(wanted)
    for name, cap in caps.items():
        try:
            value = float(settled[name])
        except (KeyError, ValueError):
            value = 0.0
        if not 0 < value <= cap:
            settled[name] = str(cap)
    return settled
