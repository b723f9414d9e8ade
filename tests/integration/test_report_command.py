"""`spendstream report` on a stopped directory, on a running one, and through a server's address: the same figures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.command import Running, spendstream
from tests.fakes import call

HOSTILE = "<script>alert(1)</script>"


def some_lines(now: datetime) -> tuple[list[str], int]:
    """Calls of the last 20 days, copies, late and unpriced ones and one that is none; and how many differ."""
    lines = []
    for at in range(120):
        # The last ten were made in this hour; the others days ago, so that they come late.
        time = now - (timedelta(minutes=at % 10) if at >= 110 else timedelta(days=2 + at % 18, minutes=at))
        fields = {"time": int(time.timestamp() * 1000), "agent_id": HOSTILE if at % 7 == 0 else f"agent-{at % 5}"}
        if at % 11 == 0:
            fields |= {"provider_name": "in-house", "request_model": "house-7b"}
        lines.append(json.dumps(call(f"c-{at}", input_tokens=1000 + at, run_id=f"run-{at % 9}", **fields)))
    return [*lines, *lines[:30], "no call"], len(lines)


@pytest.mark.slow
def test_stopped_running_and_server_tell_the_same(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    lines, count = some_lines(now)
    source, directory = tmp_path / "calls.jsonl", tmp_path / "spend"
    source.write_text("\n".join(lines) + "\n", "utf-8")
    assert spendstream("replay", source, "--embedded", directory).code == 0
    days = ("--from", f"{now - timedelta(days=30):%Y-%m-%d}", "--to", f"{now + timedelta(days=1):%Y-%m-%d}")
    page = tmp_path / "page.html"

    stopped = spendstream("report", *days, "--embedded", directory, "--json", "--out", page).json
    assert stopped["files"] == [str(page)]
    assert stopped["summary"]["calls"] == count
    assert stopped["summary"]["input_tokens"] == sum(1000 + at for at in range(count))
    assert stopped["summary"]["unpriced_calls"] == 11
    assert stopped["summary"]["late_calls"] == 110
    assert {line["reason"] for line in stopped["excluded"] if line["outcome"] == "reject"} == {"not_json"}
    assert stopped["summary"]["duplicate_records"] == 30
    asked = spendstream(
        "sql", "--embedded", directory, "--json", "SELECT sum(cost_usd), sum(output_tokens) FROM calls"
    ).json
    [[cost, output]] = asked["rows"]
    assert stopped["summary"]["cost_usd"].rstrip("0") == cost
    assert stopped["summary"]["output_tokens"] == output
    assert HOSTILE not in page.read_text("utf-8")
    assert HOSTILE in {line["agent_id"] for line in stopped["top_agents"]}

    running = Running(directory)
    try:
        where = json.loads((directory / "run.json").read_text("utf-8"))
        beside = spendstream("report", *days, "--embedded", directory, "--json").json
        url = {"SPENDSTREAM_CLICKHOUSE_URL": f"http://{where['clickhouse']}/spendstream"}
        server = spendstream("report", *days, "--json", variables=url).json
    finally:
        running.stop()
    for said in (stopped, beside, server):
        del said["files"], said["summary"]["made_at"]
    assert beside == stopped
    assert server == stopped


@pytest.mark.slow
def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    source, directory = tmp_path / "calls.jsonl", tmp_path / "spend"
    source.write_text(json.dumps(call("one")) + "\n", "utf-8")
    assert spendstream("replay", source, "--embedded", directory).code == 0

    empty_month = spendstream("report", "--month", "2020-01", "--embedded", directory, "--csv", tmp_path / "csv")
    assert empty_month.code == 0
    assert "no calls in January 2020; months with calls: 2026-03" in empty_month.out.decode()
    assert "2020-01-31" in (tmp_path / "csv" / "by_day.csv").read_text("utf-8")

    nowhere = spendstream("report", "--embedded", directory, "--out", tmp_path / "no" / "page.html")
    assert (nowhere.code, b"") == (2, nowhere.out)
    assert "cannot write" in nowhere.err
    no_ledger = spendstream("report", "--embedded", tmp_path / "none")
    assert no_ledger.code == 2
    assert "no ledger" in no_ledger.err
    wrong = spendstream("report", "--month", "soon", "--embedded", directory)
    assert wrong.code == 2
    assert "write it as 2026-01" in wrong.err
    away = spendstream("report", variables={"SPENDSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1/spendstream"})
    assert away.code == 1
    assert "does not answer" in away.err
