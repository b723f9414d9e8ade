"""The recorded sets: normal runs make next to no page, labelled loops are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.evaluate import evaluate

DATA = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[4] / "shared" / "data"))
NORMAL = (
    "claude_code_weka",
    "miniswe_gemini3",
    "taubench_airline",
    "servegen_tenants",
    "azure_llm_2023",
    "mooncake_conversation",
)

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "miniswe_gemini3").exists(), reason=f"NO RECORDED DATA at {DATA}: set SPENDSTREAM_DATA"
    ),
]


@pytest.mark.parametrize("name", NORMAL)
def test_normal_runs_page_at_most_three_in_a_thousand(name: str) -> None:
    report = evaluate([DATA / name / "calls.jsonl.gz"], rivals=False)
    assert report.sets[name]["spendstream"].false_per_1000_runs <= 3.0


@pytest.mark.parametrize(("name", "least"), [("react_webshop", 20), ("reflexion_hotpot", 12), ("agents_study", 2)])
def test_what_is_flagged_in_labelled_sets_is_labelled(name: str, least: int) -> None:
    report = evaluate([DATA / name / "calls.jsonl.gz"], [DATA / name / "labels.jsonl"], rivals=False)
    shipped = report.sets[name]["spendstream"]
    assert shipped.found >= least
    assert shipped.false == 0
