"""The doctor on a system that runs, on one that is stopped, and where there is nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Running, spendstream


def by_check(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in findings}


@pytest.mark.slow
def test_a_running_system_and_the_same_stopped(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    directory.mkdir()
    running = Running(directory)
    try:
        deadline = time.monotonic() + 60
        while True:
            done = spendstream("doctor", "--embedded", directory, "--json")
            said = done.json
            if said["ok"] and all(one["level"] == "ok" or one["check"] == "ledger" for one in said["findings"]):
                break
            assert time.monotonic() < deadline, said
        assert done.code == 0
        found = by_check(said["findings"])
        assert found["ledger"]["level"] == "warn"
        assert "no call yet" in found["ledger"]["what"]
        assert {"broker", "topic spendstream.calls", "group spendstream", "migrations", "worker"} <= set(found)

        where = json.loads((directory / "run.json").read_text("utf-8"))
        elsewhere = spendstream(
            "doctor",
            "--json",
            variables={
                "SPENDSTREAM_BROKER_URL": where["broker"],
                "SPENDSTREAM_CLICKHOUSE_URL": f"http://{where['clickhouse']}/spendstream",
                "SPENDSTREAM_HTTP_PORT": where["api"].rpartition(":")[2],
            },
        ).json
        found = by_check(elsewhere["findings"])
        assert found["rights"]["level"] == "warn"
        assert found["worker"]["level"] == found["database"]["level"] == "ok"
        # An embedded topic keeps calls for less than the settings of a cluster want.
        assert found["topic spendstream.calls"]["level"] == "fail"
        assert not elsewhere["ok"]
    finally:
        running.stop()

    stopped = spendstream("doctor", "--embedded", directory, "--json")
    found = by_check(stopped.json["findings"])
    assert stopped.code == 0
    assert found["directory"]["level"] == "warn"
    assert found["migrations"]["level"] == "ok"


def test_nothing_there_fails_and_says_what_to_do(tmp_path: Path) -> None:
    variables = {
        "SPENDSTREAM_BROKER_URL": "127.0.0.1:1",
        "SPENDSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1/spendstream",
        "SPENDSTREAM_HTTP_PORT": "1",
    }
    done = spendstream("doctor", "--json", variables=variables)
    assert done.code == 1
    found = by_check(done.json["findings"])
    assert (found["broker"]["level"], found["database"]["level"], found["worker"]["level"]) == ("fail", "fail", "warn")
    assert "Traceback" not in done.err
    words = spendstream("doctor", variables=variables)
    assert words.code == 1
    assert b"\x1b" not in words.out
    assert "2 wrong" in words.out.decode()
    nowhere = spendstream("doctor", "--embedded", tmp_path / "none", "--json")
    assert nowhere.code == 1
    assert by_check(nowhere.json["findings"])["directory"]["level"] == "fail"
    assert not (tmp_path / "none").exists()


def test_all_faults_of_the_settings_are_findings() -> None:
    done = spendstream("doctor", "--json", variables={"SPENDSTREAM_PARTITIONS": "0", "SPENDSTREAM_BROKR_URL": "x"})
    assert done.code == 1
    assert [finding["check"] for finding in done.json["findings"]] == ["settings", "settings"]
