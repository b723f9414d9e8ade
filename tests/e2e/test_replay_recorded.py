"""The main job on real input: recorded calls of real agents through broker, worker and engine, by the command line."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import spendstream
from tests.e2e.malformed import malformed

HERE = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SETS = sorted(HERE.glob("*/calls.jsonl.gz"))
BILLED = "dataset:miniswe_gemini3"
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not SETS, reason=f"NO RECORDED DATA at {HERE}: set SPENDSTREAM_DATA; replays are NOT checked"),
]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the files themselves say, added up here without any of the pipeline's code."""

    lines: list[bytes]
    calls: list[dict[str, Any]]

    @property
    def totals(self) -> dict[str, int]:
        """Distinct calls and token sums."""
        distinct = {(call.get("source"), call["id"]): call for call in self.calls}
        return {
            "ledger_rows": len(distinct),
            "input_tokens": sum(call["input_tokens"] for call in distinct.values()),
            "output_tokens": sum(call["output_tokens"] for call in distinct.values()),
        }


@pytest.fixture(scope="module")
def expected() -> Expected:
    lines = [line for path in SETS for line in gzip.decompress(path.read_bytes()).splitlines()]
    return Expected(lines, [json.loads(line) for line in lines])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One DIR, on which the tests of this module act one after the other."""
    return tmp_path_factory.mktemp("recorded") / "spend"


def replay(directory: Path, *more: str | Path, stdin: bytes = b"", sources: Sequence[str | Path] = SETS) -> Any:
    ended = spendstream("replay", *sources, "--embedded", directory, "--json", *more, stdin=stdin)
    assert ended.code == 0, ended.err
    return ended.json


def sql(directory: Path, query: str) -> list[list[Any]]:
    answer = spendstream("sql", "--embedded", directory, "--json", query).json
    rows: list[list[Any]] = answer["rows"]
    return rows


def audited(directory: Path) -> Any:
    ended = spendstream("audit", "--embedded", directory, "--json")
    assert ended.code == 0, ended.out + ended.err.encode()
    assert ended.json["ok"] is True
    assert ended.json["warnings"] == []
    return ended.json


def chosen(result: Any, keys: Sequence[str]) -> dict[str, Any]:
    return {key: result[key] for key in keys}


WHOLE = ("ledger_rows", "input_tokens", "output_tokens", "unpriced", "cost_usd")
_first: dict[str, Any] = {}


def test_every_call_of_every_set_arrives(directory: Path, expected: Expected) -> None:
    result = replay(directory)
    _first.update(result)
    assert chosen(result, ("published", "duplicates", "rejected")) == {
        "published": len(expected.lines),
        "duplicates": 0,
        "rejected": 0,
    }
    assert chosen(result, ("ledger_rows", "input_tokens", "output_tokens")) == expected.totals
    assert result["watched"] is True
    # What the detector says of these sets one by one (docs/detection.md): 24 + 18 labelled runs of two sets, and the
    # few of others. Together they are one fleet of nine different times.
    pages = [one for one in result["incidents"] if one["severity"] != "ticket"]
    assert len([one for one in pages if (one["run_id"] or "").startswith("webshop/")]) == 24
    for one in pages:
        assert one["evidence"]
        assert one["calls_before_open"] > 0
        assert one["first_call_id"]
        assert one["opened_at"] > one["first_time"]
    assert result["calls_per_second"] > 0
    assert Decimal(result["cost_usd"]) > 0
    counts = audited(directory)
    assert counts["received"] == counts["calls"] == len(expected.lines)


def test_computed_cost_is_what_was_billed(directory: Path, expected: Expected) -> None:
    billed = [Decimal(call["reported_cost"]) for call in expected.calls if call.get("reported_cost")]
    assert len(billed) == 19_584
    [[same, reported, total]] = sql(
        directory,
        "SELECT countIf(cost_usd = reported_cost), count(reported_cost), sum(reported_cost) "
        f"FROM calls WHERE source = '{BILLED}' AND reported_cost IS NOT NULL",
    )
    assert (same, reported, Decimal(total)) == (len(billed), len(billed), sum(billed))


def test_a_second_replay_adds_nothing(directory: Path, expected: Expected) -> None:
    before = sql(directory, "SELECT * FROM spend_by_hour ORDER BY ALL")
    result = replay(directory)
    assert chosen(result, ("published", "duplicates", "rejected", "new")) == {
        "published": len(expected.lines),
        "duplicates": len(expected.lines),
        "rejected": 0,
        "new": 0,
    }
    assert chosen(result, WHOLE) == chosen(_first, WHOLE)
    assert sql(directory, "SELECT * FROM spend_by_hour ORDER BY ALL") == before
    counts = audited(directory)
    assert (counts["received"], counts["duplicates"]) == (2 * len(expected.lines), len(expected.lines))


def test_a_broker_that_lost_its_topics_hides_nothing(directory: Path) -> None:
    """As after a crash: offsets begin again below the ledger's position, which must not skip them."""
    shutil.rmtree(directory / "broker")
    source = HERE / "react_webshop" / "calls.jsonl.gz"
    lines = len(gzip.decompress(source.read_bytes()).splitlines())
    result = replay(directory, sources=[source])
    assert chosen(result, ("published", "duplicates", "new")) == {"published": lines, "duplicates": lines, "new": 0}
    assert chosen(result, WHOLE) == chosen(_first, WHOLE)
    lives = {(life["incarnation"], life["partition"]) for life in audited(directory)["partitions"]}
    assert {incarnation for incarnation, _ in lives} == {1, 2}
    [[notes]] = sql(directory, "SELECT count() FROM epochs WHERE incarnation = 2 AND note LIKE '%made again%'")
    assert notes == 4


def test_disorder_copies_and_malformed_records_change_nothing(
    tmp_path: Path, expected: Expected, directory: Path
) -> None:
    """One call in twenty is sent again, 1,000 records are no calls, and all of it comes in another order."""
    random_ = random.Random(20)
    copies = random_.sample(expected.lines, len(expected.lines) // 20)
    bad = malformed(1000, random_.sample(expected.calls, 100), seed=1000)
    mixed = [*expected.lines, *copies, *(line for _, line in bad)]
    random_.shuffle(mixed)
    result = replay(
        tmp_path / "spend", "--shuffle", "--seed", "7", sources=["-"], stdin=gzip.compress(b"\n".join(mixed), 1)
    )
    assert chosen(result, ("published", "duplicates", "rejected")) == {
        "published": len(mixed),
        "duplicates": len(copies),
        "rejected": 1000,
    }
    assert result["rejected_by_reason"] == dict(Counter(reason for reason, _ in bad))
    assert chosen(result, WHOLE) == chosen(_first, WHOLE)
    counts = audited(tmp_path / "spend")
    assert (counts["calls"], counts["duplicates"], counts["rejects"]) == (_first["ledger_rows"], len(copies), 1000)
    same = (
        "SELECT count(), sum(cityHash64(source, id, time, tier, input_tokens, output_tokens, cost_usd, price_status, "
        "price_ref, agent_id, run_id, request_fingerprint)) FROM calls"
    )
    assert sql(tmp_path / "spend", same) == sql(directory, same)
