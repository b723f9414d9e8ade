"""The commands on one small embedded directory: while a worker runs on it, after it stopped, and used wrongly."""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.cli.main import run
from tests.e2e.command import PATIENCE_S, Running, environment, spendstream
from tests.e2e.malformed import KINDS, malformed
from tests.fakes import call

pytestmark = pytest.mark.slow

CALLS = [call(f"c{number}", run_id=f"run-{number % 7}", agent_id=f"agent-{number % 3}") for number in range(500)]
LINES = [json.dumps(one).encode() for one in CALLS]
HOSTILE = (
    "DROP TABLE calls",
    "drop database spendstream",
    "/* SELECT */ TRUNCATE TABLE intake",
    "-- SELECT\nALTER TABLE intake DELETE WHERE 1",
    "INSERT INTO epochs (epoch) VALUES (99)",
    "INSERT INTO FUNCTION file('stolen.csv') SELECT * FROM calls",
    "SELECT 1; DROP TABLE intake",
    "SELECT * FROM calls INTO OUTFILE 'stolen.csv'",
    "SELECT 1 SETTINGS readonly = 0",
    "SET readonly = 0",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "OPTIMIZE TABLE intake FINAL",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "RENAME TABLE intake TO gone",
    "EXCHANGE TABLES intake AND epochs",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "BACKUP TABLE intake TO File('stolen')",
    "GRANT ALL ON *.* TO default",
    "ATTACH TABLE intake",
    "DETACH TABLE intake",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands") / "spend"


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[Running]:
    running = Running(directory)
    yield running
    running.stop()


def replay(directory: Path, *arguments: str | Path, stdin: bytes = b"") -> Any:
    ended = spendstream("replay", *arguments, "--embedded", directory, "--json", stdin=stdin)
    assert ended.code == 0, ended.err
    return ended.json


def figures(directory: Path) -> list[list[Any]]:
    query = "SELECT outcome, count(), sum(cost_usd) FROM intake GROUP BY outcome ORDER BY outcome"
    rows: list[list[Any]] = spendstream("sql", "--embedded", directory, "--json", query).json["rows"]
    return rows


# -- beside a running worker: the order of these tests is the order in which the ledger fills --------------------------


def test_a_running_instance_gets_the_calls(worker: Running, directory: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed.jsonl"
    plain.write_bytes(b"\n".join(LINES[:200]))
    packed.write_bytes(gzip.compress(b"\n".join(LINES[200:400]) + b"\n\n"))
    result = replay(directory, plain, packed, "-", stdin=b"\n".join(LINES[400:]))
    assert (result["published"], result["new"], result["files"]) == (500, 500, 3)
    assert result["ledger_rows"] == 500
    assert result["input_tokens"] == 500_000
    # gpt-4o: 2.50 USD a million tokens in, 10.00 out
    assert Decimal(result["cost_usd"]) == 500 * (1000 * Decimal("2.5") + 100 * Decimal(10)) / 10**6


def test_the_start_line_says_what_run_json_says(worker: Running, directory: Path) -> None:
    where = json.loads((directory / "run.json").read_text("utf-8"))
    log = directory.with_suffix(".log").read_text("utf-8").splitlines()
    [line] = [json.loads(one) for one in log if '"embedded system started"' in one]
    assert line["kafka"] == where["broker"]
    assert line["page"] == f"http://{where['api']}/"
    assert line["sql"] == f"http://{where['clickhouse']}"


def test_records_without_a_key_are_counted_once(worker: Running, directory: Path) -> None:
    """Arrays of calls of several runs: keyed by the first, so the others are sent on and must be waited for."""
    moving = [call(f"m{number}", run_id=f"other-{number}") for number in range(60)]
    arrays = b"\n".join(json.dumps(moving[at : at + 6]).encode() for at in range(0, 60, 6))
    result = replay(directory, "-", stdin=arrays)
    assert (result["published"], result["new"], result["duplicates"]) == (10, 60, 0)
    assert result["moved"] > 0
    assert result["ledger_rows"] == 560
    assert result["records_of_others"] == 0


def test_every_kind_of_malformed_record_is_one_reject(worker: Running, directory: Path) -> None:
    before = figures(directory)
    bad = malformed(len(KINDS), CALLS, seed=3)
    ended = spendstream("replay", "-", "--embedded", directory, "--json", stdin=b"\n".join(line for _, line in bad))
    assert (ended.code, f"none of the {len(KINDS)} lines is a call; most often " in ended.err) == (1, True), ended.err
    assert f"See `spendstream rejects list --embedded {directory}`" in ended.err
    result = ended.json
    assert (result["published"], result["rejected"], result["new"]) == (len(KINDS), len(KINDS), 0)
    assert [row for row in figures(directory) if row[0] != "reject"] == before
    one_by_one = spendstream(
        "sql", "--embedded", directory, "--json", "SELECT reason, count() FROM rejects GROUP BY reason ORDER BY reason"
    ).json["rows"]
    wanted = [reason for reason, _ in bad]
    assert one_by_one == [[reason, wanted.count(reason)] for reason in sorted(set(wanted))]


def test_a_file_that_is_empty_is_said_and_no_failure(worker: Running, directory: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"\n\n")
    ended = spendstream("replay", empty, "--embedded", directory, "--json")
    assert (ended.code, ended.json["published"]) == (0, 0), ended.err
    assert "no line to replay in 1 file" in ended.err


@pytest.mark.parametrize("size", [1_200_000, 5_000_000])
def test_a_huge_payload_is_one_reject_too(worker: Running, directory: Path, size: int) -> None:
    huge = json.dumps(call("huge", note="x" * size, input_tokens=-1)).encode()
    result = replay(directory, "-", stdin=b"\n".join([*LINES[:3], huge, *LINES[3:6]]))
    assert result["refused_by_broker"] + result["rejected"] == 1
    assert result["duplicates"] == 6


def test_speed_keeps_event_time(worker: Running, directory: Path) -> None:
    start = CALLS[0]["time"]
    spread = [call(f"s{number}", time=start + number * 30_000) for number in range(5)]
    began = time.monotonic()
    result = replay(directory, "-", "--speed", "60", stdin=b"\n".join(json.dumps(one).encode() for one in spread))
    assert result["new"] == 5
    assert result["seconds"] >= 2.0  # two minutes of event time
    assert time.monotonic() - began < 60


def test_audit_beside_a_running_worker(worker: Running, directory: Path) -> None:
    ended = spendstream("audit", "--embedded", directory, "--json")
    assert ended.code == 0, ended.out
    assert ended.json["findings"] == []
    assert ended.json["moved"] > 0


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_statements_are_refused_while_it_runs(
    worker: Running, directory: Path, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sql", "--embedded", str(directory), query]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "refused" in err
    assert "Traceback" not in err


def test_nothing_came_of_the_hostile_statements(worker: Running, directory: Path) -> None:
    assert spendstream("audit", "--embedded", directory).code == 0
    assert list(directory.rglob("stolen*")) == []
    assert list(Path.cwd().glob("stolen*")) == []


def test_a_second_worker_says_who_has_the_directory(worker: Running, directory: Path) -> None:
    ended = spendstream("worker", "--embedded", directory, "--http-port", "0")
    assert ended.code == 1
    assert f"in use by process {worker.process.pid}" in ended.err
    assert spendstream("migrate", "--embedded", directory).code == 1


def test_sigterm_ends_it_well(worker: Running, directory: Path) -> None:
    before = figures(directory)
    code, out = worker.stop()
    assert (code, out) == (0, b"")
    assert not (directory / "run.json").exists()
    assert figures(directory) == before


# -- after it stopped --------------------------------------------------------------------------------------------------


def test_a_second_start_goes_on_where_the_first_stopped(worker: Running, directory: Path) -> None:
    worker.stop()
    result = replay(directory, "-", stdin=b"\n".join(LINES))
    assert (result["published"], result["duplicates"], result["new"]) == (500, 500, 0)
    ended = spendstream("audit", "--embedded", directory, "--json")
    assert ended.code == 0
    assert {life["incarnation"] for life in ended.json["partitions"]} == {1}


def test_json_of_sql_has_exact_money_and_utc_times(worker: Running, directory: Path) -> None:
    worker.stop()
    query = (
        "-- a comment first\nSELECT id, time, cost_usd, input_tokens, latency_ms, tags, [cost_usd], "
        "toUInt64(18446744073709551615) AS big, nan AS not_a_number, 'é' AS text "
        "FROM calls WHERE id = 'c0';"
    )
    answer = spendstream("sql", "--embedded", directory, "--json", "-", stdin=query.encode()).json
    assert answer["columns"][:3] == ["id", "time", "cost_usd"]
    assert answer["rows"] == [
        ["c0", "2026-03-02T00:00:00.000Z", "0.0035", 1000, None, {}, ["0.0035"], 18446744073709551615, None, "é"]
    ]
    empty = spendstream("sql", "--embedded", directory, "--json", "SELECT id FROM calls WHERE 0").json
    assert empty == {"columns": ["id"], "rows": []}


def test_formats(worker: Running, directory: Path) -> None:
    worker.stop()
    query = "SELECT id, cost_usd FROM calls WHERE id IN ('c0', 'c1') ORDER BY id"
    lines = list(
        csv.reader(io.StringIO(spendstream("sql", "--embedded", directory, "--format", "csv", query).out.decode()))
    )
    assert lines == [["id", "cost_usd"], ["c0", "0.0035"], ["c1", "0.0035"]]
    assert spendstream("sql", "--embedded", directory, "--format", "tsv", query).out.count(b"\t") == 3
    assert spendstream("sql", "--embedded", directory, "--format", "parquet", query).out.startswith(b"PAR1")
    table = spendstream("sql", "--embedded", directory, query).out.decode()
    assert table.splitlines()[-1] == "(2 rows)"
    assert spendstream("sql", "--embedded", directory, "--json", "--format", "csv", query).code == 2


@pytest.mark.parametrize("query", [HOSTILE[3], HOSTILE[7], HOSTILE[8], "SELEC 1"])
def test_hostile_statements_are_refused_when_stopped(worker: Running, directory: Path, query: str) -> None:
    worker.stop()
    ended = spendstream("sql", "--embedded", directory, query)
    assert (ended.code, ended.out) == (1, b"")
    assert ended.err.count("\n") == 1


def test_a_closed_pipe_is_quiet(worker: Running, directory: Path) -> None:
    worker.stop()
    command = [sys.executable, "-m", "streams.cli.main", "sql", "--embedded", str(directory), "--format", "csv"]
    process = subprocess.Popen(
        [*command, "SELECT number FROM numbers(1000000)"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    assert first == b'"number"\n', process.stderr.read()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 1


def test_migrate_again_does_nothing(worker: Running, directory: Path) -> None:
    worker.stop()
    assert spendstream("migrate", "--embedded", directory, "--json").json == {"dry_run": False, "applied": []}
    assert spendstream("migrate", "--embedded", directory, "--dry-run").out == b"the ledger is up to date\n"


def test_a_ledger_that_does_not_add_up_is_code_1(worker: Running, directory: Path) -> None:
    """The last test on this directory: a row in the middle of the log is taken away."""
    worker.stop()
    script = (
        "import sys; from streams.ledger.client import Database; d = Database(sys.argv[1]); "
        "d.command('DELETE FROM intake WHERE partition = 0 AND offset = 2'); d.close()"
    )
    subprocess.run([sys.executable, "-c", script, f"chdb://{directory}/ledger"], check=True, capture_output=True)
    ended = spendstream("audit", "--embedded", directory)
    assert ended.code == 1
    assert b"positions: partition 0, incarnation 1, offset 2: no row speaks for these offsets" in ended.out
    assert spendstream("audit", "--embedded", directory, "--json").json["ok"] is False


# -- used wrongly, or interrupted --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["replay", "/nonexistent/calls.jsonl", "--embedded", "{dir}"], {}, "No such file"),
        (["replay", "-", "--speed", "0"], {}, "neither `max` nor a number"),
        (["replay", "-", "--shuffle", "--speed", "2"], {}, "--shuffle"),
        (["replay", "-"], {"SPENDSTREAM_BROKER_URL": "nonsense"}, "SPENDSTREAM_BROKER_URL"),
        (["sql", "--embedded", "{dir}", "SELECT 1"], {}, "no ledger in"),
        (["audit", "--embedded", "{dir}"], {}, "no ledger in"),
        (["sql"], {}, "the query is empty"),
        (["worker", "--embedded", "{dir}", "--broker-url", "a:1"], {}, "--embedded brings its own"),
        (["worker", "--flush-calls", "0", "--flush-seconds", "-1"], {"SPENDSTREAM_FOO": "1"}, "SPENDSTREAM_FOO"),
        (["worker", "--embedded", "{dir}"], {"SPENDSTREAM_KILL_POINT": "nowhere"}, "no kill point"),
        (["worker", "--config", "{dir}"], {}, "settings are wrong"),
    ],
)
def test_wrong_usage_is_code_2_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    place = tmp_path / "dir"
    ended = spendstream(*(argument.replace("{dir}", str(place)) for argument in arguments), variables=variables)
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == b""
    assert not place.exists()


def test_servers_that_are_away_are_code_1() -> None:
    away = {"SPENDSTREAM_BROKER_URL": "127.0.0.1:1", "SPENDSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1/x"}
    for arguments in (["sql", "SELECT 1"], ["audit"], ["migrate"], ["worker", "--http-port", "0"], ["replay", "-"]):
        ended = spendstream(*arguments, stdin=LINES[0], variables=away)
        assert ended.code == 1, (arguments, ended.err)
        assert "127.0.0.1:1" in ended.err
        assert "Traceback" not in ended.err
        assert ended.out == b""


def test_an_interrupted_replay_keeps_what_it_sent(tmp_path: Path) -> None:
    place = tmp_path / "spend"
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "replay", "-", "--embedded", place, "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b"\n".join(LINES) + b"\n")
    process.stdin.flush()
    deadline = time.monotonic() + PATIENCE_S
    while not (place / "run.json").exists() or figures(place)[:1] != [["call", 500, "1.75"]]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (1, b"")
    assert b"stopped by SIGINT" in err
    assert b"Traceback" not in err
    assert spendstream("audit", "--embedded", place, "--json").json["calls"] == 500
