"""Recorded calls of real agents: billed costs reproduced to the last digit, and what has no price stays without one."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.meter.price import Priced, Pricer

HERE = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SETS = sorted(HERE.glob("*/calls.jsonl.gz"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not SETS, reason=f"NO RECORDED DATA at {HERE}: set SPENDSTREAM_DATA; billed costs are NOT checked"
    ),
]

UNPRICED = {
    ("other", "unknown"): "unknown_seller",
    ("other", "kimi"): "unknown_seller",
    ("aliyun", "qwen-m-large"): "unknown_provider",
}


def read(path: Path) -> list[dict[str, Any]]:
    """The calls of one file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def price(pricer: Pricer, calls: list[dict[str, Any]]) -> Priced:
    """Price them in one batch."""
    times = np.array([int(datetime.fromisoformat(call["time"]).timestamp() * 1000) for call in calls], dtype=np.int64)
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
    columns = [np.array([call.get(name, 0) for call in calls], dtype=np.int64) for name in names]
    provider = [call.get("provider_name") for call in calls]
    model, answered = [call["request_model"] for call in calls], [call.get("response_model") for call in calls]
    return pricer.price(provider, model, answered, times, *columns)


def test_computed_costs_equal_what_openrouter_billed() -> None:
    """All 19,584 billed calls, to the last digit."""
    calls = [call for call in read(HERE / "miniswe_gemini3" / "calls.jsonl.gz") if "reported_cost" in call]
    assert len(calls) == 19_584
    out = price(Pricer.default(), calls)
    computed = [Decimal(pico).scaleb(-12) for pico in out.cost_pico.tolist()]
    assert computed == [Decimal(call["reported_cost"]) for call in calls]


def test_exactly_the_unknowable_models_are_unpriced() -> None:
    """Of all recorded sets: three names that do not say who sold, and nothing else."""
    pricer = Pricer.default()
    unpriced: dict[tuple[str, str], set[str]] = {}
    priced: Counter[str] = Counter()
    for path in SETS:
        calls = read(path)
        out = price(pricer, calls)
        for call, code, ok, cost in zip(calls, out.status, out.priced, out.cost_pico, strict=True):
            name = (call["provider_name"], call["request_model"])
            if ok:
                priced[name[1]] += 1
                assert cost > 0 or call["input_tokens"] + call["output_tokens"] == 0
            else:
                unpriced.setdefault(name, set()).add(out.statuses[int(code)])
    assert unpriced == {name: {reason} for name, reason in UNPRICED.items()}
    expected = {"gpt-4o", "claude-3-5-sonnet", "gpt-3.5-turbo", "text-davinci-002", "deepseek-r1", "claude-opus-4-6"}
    assert expected <= set(priced)
    assert (
        sum(count for name, count in priced.items() if name.startswith("claude-") and name != "claude-3-5-sonnet")
        == 22_726
    )
