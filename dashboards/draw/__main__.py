"""Pictures of boards: `python -m dashboards.draw OUT [light] [BOARD ...]`, all of them if none is named. Needs node,
npm and chromium; for people, not for tests.

Real results of the boards' queries on a made-up ledger, drawn by Grafana's own components (`@grafana/ui`). What is
Grafana's and not theirs (layout, alignment of bars, the newer table) is imitated: look for wrong units, cut columns
and empty panels, not for pixels.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams.boards.check import time_range
from streams.boards.files import read
from streams.boards.lint import query_of
from streams.boards.macros import ALL, TimeRange, expand
from streams.boards.sample import Sample, fill
from streams.cli.reach import EngineLedger
from streams.ledger.client import Database
from streams.ledger.migrate import migrate

HERE = Path(__file__).parent
NOW = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
EVERYTHING: dict[str, str | list[str]] = {
    "team": ALL,
    "tier": ALL,
    "model": ALL,
    "agent": ALL,
    "run": "",
    "incident": "",
}
INTERVALS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86400}


def told(ledger: EngineLedger, board: dict[str, Any]) -> list[dict[str, Any]]:
    """Each panel with the frame that the plugin would hand it."""
    found = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            found.append({"panel": panel})
            continue
        query = query_of(panel["targets"][0])
        whole = time_range(board, NOW)
        shortest = INTERVALS[panel.get("interval") or "1m"]
        # As Grafana: about one bucket for each two pixels, and none shorter than the panel's.
        wanted = (whole.end - whole.start).total_seconds() / (panel["gridPos"]["w"] * 30)
        seconds = max(shortest, next((one for one in INTERVALS.values() if one >= wanted), 86400))
        range_ = TimeRange(whole.start, whole.end, timedelta(seconds=seconds))
        answer = json.loads(ledger.text(expand(query.sql, range_, EVERYTHING), "JSON"))["data"]
        units = {column.name: column.unit for column in query.columns}
        fields = _wide(answer, units) if panel["type"] == "timeseries" else _long(answer, units)
        found.append(
            {
                "panel": panel,
                "frame": {"refId": "A", "fields": fields},
                "from": _ms(whole.start),
                "to": _ms(whole.end),
            }
        )
    return found


def _long(rows: list[dict[str, Any]], units: dict[str, str]) -> list[dict[str, Any]]:
    return [_field(name, unit, [row[name] for row in rows]) for name, unit in units.items()]


def _wide(rows: list[dict[str, Any]], units: dict[str, str]) -> list[dict[str, Any]]:
    """A line for each label, as the plugin makes them of rows."""
    time = next(name for name, unit in units.items() if unit == "time")
    label = next((name for name, unit in units.items() if unit == "label"), None)
    times = sorted({row[time] for row in rows})
    fields = [_field(time, "time", times)]
    for name, unit in units.items():
        if unit in {"time", "label"}:
            continue
        lines: dict[str, dict[str, Any]] = {}
        for row in rows:
            lines.setdefault(row[label] if label else "", {})[row[time]] = row[name]
        for text in sorted(lines):
            field = _field(name, unit, [lines[text].get(at) for at in times])
            fields.append({**field, "labels": {label: text}} if label else field)
    return fields


def _field(name: str, unit: str, values: list[Any]) -> dict[str, Any]:
    if unit == "time":
        values = [value and _ms(datetime.fromisoformat(value).replace(tzinfo=UTC)) for value in values]
    elif unit not in {"text", "label"}:
        values = [None if value is None else float(value) for value in values]
    kind = {"time": "time", "text": "string", "label": "string"}.get(unit, "number")
    return {"name": name, "type": kind, "values": values, "config": {}}


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def main(out: Path, mode: str, chosen: list[str]) -> None:
    """Write OUT/<board>.png for every board that is chosen."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        shutil.copy(HERE / "package.json", work)
        _run("npm", "install", "--legacy-peer-deps", "--no-audit", "--no-fund", "--silent", at=work)
        shutil.copy(HERE / "build.mjs", work)
        shutil.copy(HERE / "board.jsx", work)
        _run("node", "build.mjs", str(work), str(work / "board.jsx"), at=work)
        with closing(Database(f"chdb://{work}/ledger", create=True)) as database:
            migrate(database)
            fill(database, Sample(end=NOW, calls=1_000_000, days=75, agents=400, hostile=False))
        with closing(EngineLedger(work / "ledger")) as ledger:
            for name, board in read().boards.items():
                if chosen and name not in chosen:
                    continue
                data = json.dumps(told(ledger, board)).replace("</", "<\\/")
                page = work / "page.html"
                page.write_text(
                    '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="board.css">'
                    '<body style="margin:0"><div id="root"></div><script>window.grafanaBootData={user:{},settings:{}};'
                    f'window.BOARD={data}</script><script src="board.js"></script>',
                    "utf-8",
                )
                height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"]) * 38 + 16
                _run(
                    "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    f"--window-size=1600,{height}", "--virtual-time-budget=8000",
                    f"--screenshot={(out / name).absolute()}.png", f"file://{page}#{mode}", at=work,
                )  # fmt: skip


def _run(*command: str, at: Path) -> None:
    subprocess.run(command, cwd=at, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    names = sys.argv[2:]
    main(Path(sys.argv[1]), "light" if "light" in names else "dark", [name for name in names if name != "light"])
