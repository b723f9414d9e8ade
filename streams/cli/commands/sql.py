"""`spendstream sql`: one read-only question to the ledger, wherever it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

FORMATS = {
    "csv": "CSVWithNames",
    "tsv": "TSVWithNames",
    "json": "",
    "jsonl": "JSONEachRow",
    "vertical": "Vertical",
    "markdown": "Markdown",
    "parquet": "Parquet",
    "arrow": "ArrowStream",
}
"""What `--format` takes, and ClickHouse's name for it."""


class TakesComments(click.Command):
    """A query may begin with a comment, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A blank before `-- comment` tells it from an option."""
        return super().parse_args(ctx, [f" {arg}" if arg.startswith(("-- ", "--\n", "--\t")) else arg for arg in args])


@click.command("sql", cls=TakesComments)
@click.argument("query", required=False, metavar="[QUERY|-]")
@embedded_option()
@click.option("--format", "fmt", type=click.Choice([*FORMATS]), help="In place of a table; parquet, arrow are binary.")
@config_option()
@json_option()
def command(query: str | None, embedded: Path | None, fmt: str | None, config: Path | None, as_json: bool) -> None:
    """Ask the ledger in ClickHouse SQL. Read-only: whatever would change something is refused.

    QUERY is one statement; - or nothing reads it from standard input. The tables: calls (each call once, with
    cost_usd and price_status), duplicates, rejects, spend_by_hour; DESCRIBE calls shows the columns. Works while a
    worker runs on DIR. --json prints {"columns": [...], "rows": [[...], ...]}, money as decimal strings, times in UTC.

    \b
    Examples:
      spendstream sql --embedded spend "SELECT tier, count(), sum(cost_usd) FROM calls GROUP BY tier"
      spendstream sql --embedded spend --format csv - < report.sql > report.csv
    """
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import JSON_SETTINGS, reach, refuse_writes

    text = _text(query)
    if as_json and fmt not in {None, "json"}:
        raise click.UsageError("--json and --format exclude each other")
    settings = settings_of(config)
    asked = FORMATS[fmt] if fmt else ""
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            refuse_writes(ledger, text)
            body = ledger.text(text, asked or "JSONCompact", None, JSON_SETTINGS)
        if asked:
            say(body)
            return
        columns, rows = _table(body)
        if as_json or fmt == "json":
            say(one_json({"columns": columns, "rows": rows}))
        else:
            say(_drawn(columns, rows))


def _text(query: str | None) -> str:
    if query is None and sys.stdin.isatty():
        raise click.UsageError('no query: spendstream sql "SELECT count() FROM calls", or - to read it from a pipe')
    text = sys.stdin.read() if query in {None, "-"} else query
    if not text or not text.strip():
        raise click.UsageError("the query is empty")
    return text.strip().removesuffix(";")


def _table(body: bytes) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows; statements without a result (there are none that read) would give neither."""
    if not body.strip():
        return [], []
    answer = json.loads(body)
    return [column["name"] for column in answer["meta"]], answer["data"]


def _drawn(columns: list[str], rows: list[list[Any]]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[at], int | float) or _is_decimal(row[at]) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
    # Off a terminal nothing is folded: what reads a pipe wants one row a line.
    console = Console(file=StringIO(), width=None if terminal else 100_000, force_terminal=terminal)
    console.print(table)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [line.rstrip() for line in str(drawn).splitlines()]
    return "\n".join([*lines, f"({counted(len(rows), 'row')})"])


def _is_decimal(value: object) -> bool:
    return isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit()


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
