"""A small `spendstream bench` from the command line: every figure is there, and every contender read every call."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_bench_prints_one_object_with_every_key() -> None:
    command = [sys.executable, "-m", "streams.cli.main", "bench", "--quick", "--json", "--calls", "5000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    # Which is faster is no test's business: 5,000 calls are mostly start-up, and the machine may be busy.
    assert result["calls_per_second"] > 0
    assert result["stock_faust_calls_per_second"] > 0
    assert result["raw_aiokafka_records_per_second"] > 0
    assert result["cpu_us_per_call"] > 0
    assert result["with_detection"]["calls_per_second"] > 0
    if importlib.util.find_spec("quixstreams") is None:
        assert result["quix_calls_per_second"] is None
        assert "quixstreams is not installed" in done.stderr
    else:
        assert result["quix_calls_per_second"] > 0
    delay = result["publish_to_ledger_ms"]
    assert 0 < delay["p50"] <= delay["p99"]
    assert delay["calls"] == 20_000
    page = result["publish_to_page_ms"]
    assert 0 < page["p50"] <= page["p99"] <= page["worst"]
    assert page["pages"] == page["loops"] == 20
    assert set(result["rss_mb"]) == {"1000", "20000"}
    assert all(megabytes > 50 for megabytes in result["rss_mb"].values())
    assert result["recovery"]["agents"] == result["recovery"]["known_agents"] > 15_000
    assert result["recovery"]["calls"] == 80_000
    assert result["recovery"]["seconds"] > 0
    steps = {"fetch", "decode", "dedupe", "transpose", "price", "sums", "arrow", "insert", "publish"}
    assert steps <= set(result["us_per_call"])
    assert all(result["us_per_call"][step] > 0 for step in steps)
    (spent,) = result["runs"]["spendstream"]
    assert spent["calls"] == 5_000
    assert {"machine", "versions", "load"} <= set(result)
