"""What must never be kept or said: texts of prompts that a router sends all the same, and the operator's secrets.

Kafka's `spendstream.calls` holds what routers send, byte by byte, until retention takes it: what is looked through here
is everything that is made of it.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from tests.e2e.command import PATIENCE_S, environment, spendstream
from tests.fakes import call

pytestmark = pytest.mark.slow

PLANTED = "zebra quartz umbrella"
"""Words of a prompt; each alone is looked for as well."""
LONG = f"Please summarise: {PLANTED}. " * 40
TOKEN = "planted-token-0123456789abcdef0123456789"
PASSWORD = "planted-password-7f3a"


def planted() -> list[bytes]:
    """The words wherever a router might put them: in good calls, in refused ones, in broken and in huge records."""
    good = call(
        "good", prompt=LONG, messages=[{"role": "user", "content": LONG}], response={"text": LONG}, x={LONG: LONG}
    )
    records: list[Any] = [
        good,
        [call("array-1", prompt=LONG), call("array-2", input_tokens=-1, prompt=LONG), LONG, 5, [LONG], {LONG: 1}],
        call("wrong-type", input_tokens=LONG, output_tokens={"text": LONG}),
        call("wrong-value", tier=LONG, status=LONG, decision=LONG, task_class=LONG),
        call("bad-time", time=LONG),
        call("bad-cost", reported_cost=LONG),
        call("too-long", agent_name=LONG, route_reason=LONG, tags={"note": LONG, LONG: "x"}),
        call("container", request_model={"messages": LONG}, agent_id=[LONG]),
        {"prompt": LONG, "agent_id": None},
        LONG,
        {"id": "deep", "x": json.loads('{"a":' * 250 + json.dumps(LONG) + "}" * 250)},
    ]
    lines = [json.dumps(record).encode() for record in records]
    return [
        *lines,
        lines[0][:-1],
        lines[0].replace(b'"prompt"', b"prompt"),
        lines[0].replace(b'"', b"'"),
        lines[0][:-40] + b"\xff" + lines[0][-40:],
        b"prompt: " + LONG.encode(),
        json.dumps(call("huge", prompt=LONG * 1_000)).encode(),
        b'{"prompt": "' + (LONG * 700).encode() + b"\n" + json.dumps(call("after", prompt=LONG)).encode(),
    ]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], bytes]]:
    """A directory with a worker that says all it can (`debug`) and wants tokens; its addresses; its output."""
    folder = tmp_path_factory.mktemp("planted")
    directory, log = folder / "spend", folder / "worker.log"
    variables = {
        "SPENDSTREAM_HTTP_TOKENS": "operator:admin:env:OPERATOR_TOKEN",
        "OPERATOR_TOKEN": TOKEN,
        "SPENDSTREAM_TOKEN": TOKEN,
        "SPENDSTREAM_LOG_FORMAT": "json",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "streams.cli.main", "--debug", "worker",
                "--embedded", directory, "--http-port", "0",
            ],
            stdout=out, stderr=out, env=environment(**variables),
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while not (directory / "run.json").exists():
            assert process.poll() is None, log.read_text("utf-8", "replace")[-4000:]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        sent = spendstream(
            "replay", "-", "--embedded", directory, "--json", stdin=b"\n".join(planted()), variables=variables
        )
        assert sent.code == 0, sent.err
        assert sent.json["rejected"] >= 12
        assert sent.json["new"] >= 3
        yield directory, json.loads((directory / "run.json").read_text("utf-8")), log.read_bytes()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def clean(data: bytes, where: str) -> None:
    for word in PLANTED.split():
        at = data.find(word.encode())
        assert at < 0, f"{where}: ...{data[max(0, at - 200) : at + 100]!r}"


def test_no_table_of_the_ledger_has_them(ran: tuple[Path, dict[str, Any], bytes]) -> None:
    directory, _, _ = ran
    names = spendstream(
        "sql", "--embedded", directory, "--json",
        "SELECT name FROM system.tables WHERE database = 'spendstream' AND engine LIKE '%MergeTree'",
    ).json["rows"]  # fmt: skip
    tables = {name for (name,) in names}
    assert {"intake", "epochs", "incident_events", "reject_retries"} <= tables
    for table in tables:
        everything = spendstream("sql", "--embedded", directory, "--json", f"SELECT * FROM {table}")
        assert everything.code == 0, everything.err
        clean(everything.out, table)


def test_no_file_of_the_ledger_has_them(ran: tuple[Path, dict[str, Any], bytes]) -> None:
    """Also what merges have left, and the engine's own logs; the test before sees what is compressed."""
    directory, _, _ = ran
    for path in (directory / "ledger").rglob("*"):
        if path.is_file() and path.suffix not in {".bin"}:
            clean(path.read_bytes(), str(path))


def test_no_topic_that_is_made_of_calls_has_them(ran: tuple[Path, dict[str, Any], bytes]) -> None:
    _, running, _ = ran

    async def read() -> dict[str, list[bytes]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=running["broker"], enable_auto_commit=False)
        await consumer.start()
        try:
            found: dict[str, list[bytes]] = {}
            names = sorted(name for name in await consumer.topics() if name.startswith("spendstream."))
            known = {name: sorted(consumer.partitions_for_topic(name) or ()) for name in names}
            for topic in names:
                parts = [TopicPartition(topic, number) for number in known[topic]]
                assert parts, topic
                ends = await consumer.end_offsets(parts)
                consumer.assign(parts)
                await consumer.seek_to_beginning(*parts)
                records = found.setdefault(topic, [])
                left = {tp for tp in parts if ends[tp] > 0}
                while left:
                    for tp, batch in (await consumer.getmany(timeout_ms=5000)).items():
                        for one in batch:
                            # A record of calls that the meter sent on is its own work; the others are the router's.
                            own = topic != "spendstream.calls" or any(
                                name == "spendstream-moved" for name, _ in one.headers
                            )
                            records += [(one.key or b"") + (one.value or b"")] if own else []
                        if batch and batch[-1].offset + 1 >= ends[tp]:
                            left.discard(tp)
            return found
        finally:
            await consumer.stop()

    found = asyncio.run(read())
    assert found["spendstream.usage"]
    assert found["spendstream.calls"], "calls of the array belong to other partitions: some were sent on"
    for topic, records in found.items():
        for record in records:
            clean(record, topic)


def get(address: str, path: str, token: str | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


PATHS = ("/v1/usage?window=1h&from=0", "/health", "/ready", "/metrics", "/", "/v1/incidents", "/v1/controls", "/none")


def test_no_answer_and_no_log_has_them(ran: tuple[Path, dict[str, Any], bytes]) -> None:
    directory, running, _ = ran
    for path in PATHS:
        status, body = get(running["api"], path, TOKEN)
        assert status < 500, body
        clean(body, path)
        clean(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body, path)
    for command in (("rejects", "list", "--examples", "50"), ("rejects", "export"), ("audit",), ("top", "--once")):
        clean(spendstream(*command, "--embedded", directory).out, " ".join(command))
    log = directory.parent / "worker.log"
    assert len(log.read_bytes()) > 1000
    clean(log.read_bytes(), "log")
    clean((directory / "broker.log").read_bytes(), "broker.log")


def test_no_answer_and_no_log_has_the_token(ran: tuple[Path, dict[str, Any], bytes]) -> None:
    directory, running, _ = ran
    assert get(running["api"], "/metrics", None)[0] == 401
    assert get(running["api"], "/metrics", TOKEN[:-1])[0] == 401
    assert get(running["api"], "/health", None) == (200, b'{"status": "ok"}')
    for path in PATHS:
        for token in (None, TOKEN, TOKEN[:-1]):
            assert TOKEN[:-1].encode() not in get(running["api"], path, token)[1]
    for file in directory.parent.rglob("*"):
        if file.is_file():
            assert TOKEN[:-1].encode() not in file.read_bytes(), file
    for process in Path("/proc").glob(f"{running['pid']}/cmdline"):
        assert TOKEN.encode() not in process.read_bytes()


SECRETS = {
    "SPENDSTREAM_CLICKHOUSE_URL": f"http://ada:{PASSWORD}@127.0.0.1:1/spendstream",
    "SPENDSTREAM_HTTP_TOKENS": "operator:admin:env:OPERATOR_TOKEN",
    "OPERATOR_TOKEN": TOKEN,
    "SPENDSTREAM_TOKEN": TOKEN,
    "SPENDSTREAM_BROKER_URL": "127.0.0.1:1",
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("doctor", "--json"),
        ("audit",),
        ("sql", "SELECT 1"),
        ("report",),
        ("top", "--once"),
        ("migrate",),
        ("--debug", "migrate"),
        ("--debug", "worker"),
        ("rejects", "list"),
        ("--debug", "rejects", "list"),
        ("rebuild", "--verify"),
        ("replay", "--topic", "--from", "start"),
        ("worker", "--help"),
    ],
)
def test_no_command_says_a_secret_whatever_goes_wrong(arguments: tuple[str, ...], tmp_path: Path) -> None:
    variables = SECRETS | {"SPENDSTREAM_DATA_DIR": str(tmp_path)}
    ended = spendstream(*arguments, variables=variables)
    said = ended.out + ended.err.encode()
    assert said
    for secret in (PASSWORD, TOKEN):
        assert secret.encode() not in said, said[-2000:]


@pytest.mark.parametrize(
    "variables",
    [
        {"SPENDSTREAM_CLICKHOUSE_URL": f"ftp://ada:{PASSWORD}@127.0.0.1:1/x"},
        {"SPENDSTREAM_CLICKHOUSE_URL": f"http://ada:{PASSWORD}@[broken"},
        {"SPENDSTREAM_CLICKHOUSE_URL": f"http://ada:{PASSWORD}@127.0.0.1:notaport/x"},
        {"SPENDSTREAM_HTTP_TOKENS": f"operator:admin:{TOKEN}"},
        {"SPENDSTREAM_HTTP_TOKENS": f"operator:{TOKEN}"},
        {"SPENDSTREAM_TOKENS": TOKEN},
    ],
)
def test_no_refusal_of_a_setting_quotes_a_secret(variables: dict[str, str], tmp_path: Path) -> None:
    for arguments in (("worker",), ("doctor",), ("sql", "SELECT 1"), ("--debug", "audit")):
        ended = spendstream(*arguments, variables=variables | {"SPENDSTREAM_DATA_DIR": str(tmp_path)})
        said = ended.out + ended.err.encode()
        for secret in (PASSWORD, TOKEN):
            assert secret.encode() not in said, said[-2000:]


def test_the_environment_of_this_test_has_no_secrets_of_its_own() -> None:
    assert PASSWORD not in "".join(os.environ.values())
