"""The clients of docs/connect.md, each in its own language: built as the page says, run, and seen in the ledger.

A section's code goes into the file that the page names and its ```sh block is run, in a fresh directory; only the
broker's address and the run are put in. The block's last line runs the program and must do so; those before it fetch
packages: where they cannot (no network, no registry), the test is skipped and says what was said. So it is where the
language itself is missing. The two Python snippets of the publisher are in tests/integration/test_publish_docs.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2

from schemas.call import Call
from streams import topics
from streams.kafka_admin import ensure_topics, topic_spec
from tests.crash.outside import read_log
from tests.e2e.command import PATIENCE_S, Running, environment, spendstream
from tests.kafka.cluster import Cluster
from tests.kafka.fixtures import need_kafka
from tests.kafka.jars import VERSION, jars

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "connect.md").read_text("utf-8")
PARTITIONS = 4
FETCH_S, RUN_S = 240, 240


@dataclass(frozen=True, slots=True)
class Client:
    """A section of the page: its heading, the code's language (none for a shell), and the command it hangs on."""

    name: str
    heading: str
    language: str
    tool: str

    @property
    def section(self) -> str:
        """The section's text."""
        return PAGE.split(f"\n## {self.heading}\n")[1].split("\n## ")[0]

    @property
    def file(self) -> tuple[str, str]:
        """The program's file name and text."""
        text = re.search(rf"As `([\w.]+)`:\n\n```{self.language}\n(.*?)```", self.section, re.DOTALL)
        assert text is not None, f"docs/connect.md, {self.heading}: no ```{self.language} below its file's name"
        return text[1], text[2]

    @property
    def commands(self) -> list[str]:
        """The lines of its ```sh blocks that are for this client."""
        lines = "".join(re.findall(r"```sh\n(.*?)```", self.section, re.DOTALL)).splitlines()
        return lines if self.language else [lines[0], next(line for line in lines if line.startswith(self.tool))]


CLIENTS = [
    Client("confluent-kafka", "Python: confluent-kafka", "python", "python"),
    Client("go", "Go: franz-go", "go", "go"),
    Client("node", "Node: kafkajs", "js", "npm"),
    Client("java", "Java: kafka-clients", "java", "mvn"),
    Client("kcat", "Shell: kcat, or Kafka's console producer", "", "kcat"),
    Client("console-producer", "Shell: kcat, or Kafka's console producer", "", "kafka-console-producer.sh"),
]


def bash(command: str, directory: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """The command in a directory of the client, where Python's packages stay as well."""
    binaries = [directory / "bin", Path(sys.executable).parent, os.environ.get("PATH", "")]
    lib = str(directory / "lib")
    return subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        env=environment(PATH=os.pathsep.join(map(str, binaries)), PIP_TARGET=lib, PYTHONPATH=lib),
        check=False,
    )


def fetch(client: Client, command: str, directory: Path) -> None:
    """Run a command that needs a registry; skips when it has none."""
    try:
        done = bash(command, directory, FETCH_S)
        said, failed = done.stdout, done.returncode != 0
    except subprocess.TimeoutExpired:
        said, failed = f"no answer in {FETCH_S} s", True
    if failed:
        end = "\n".join(said.strip().splitlines()[-5:])
        pytest.skip(f"{client.name} of docs/connect.md is NOT checked: $ {command}\n{end}")


def console_producer(client: Client, directory: Path) -> None:
    """Kafka's script of that name; it is not in the jars, but all it does is to start this class."""
    fetch(
        client,
        f"mvn -q dependency:copy -Dartifact=org.apache.kafka:kafka-tools:{VERSION} -DoutputDirectory=lib",
        directory,
    )
    script = directory / "bin" / client.tool
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nexec java -cp "lib/*:{jars()}/*" org.apache.kafka.tools.ConsoleProducer "$@"\n', "utf-8"
    )
    script.chmod(0o755)


@pytest.fixture(scope="module", params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Client, Path]:
    """A client and a directory with the packages that its section asks for."""
    client: Client = request.param
    directory = tmp_path_factory.mktemp(client.name)
    if client.name == "console-producer":
        need_kafka()  # for its jars
        if shutil.which("mvn") is None:
            pytest.skip("Kafka's console producer of docs/connect.md is NOT checked: no `mvn` on the path")
        console_producer(client, directory)
    elif shutil.which(client.tool) is None:
        pytest.skip(f"{client.name} of docs/connect.md is NOT checked: no `{client.tool}` on the path")
    if client.language:
        for command in client.commands[:-1]:
            fetch(client, command, directory)
    return client, directory


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a running worker with broker and ledger."""
    directory = tmp_path_factory.mktemp("connect") / "spend"
    directory.mkdir()
    running = Running(directory)
    yield directory
    running.stop()


@pytest.fixture(scope="module")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka that ends with this file, so that it is in no other test's way."""
    need_kafka()
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        asyncio.run(ensure_topics(cluster.bootstrap, [topic_spec(topics.CALLS, PARTITIONS)]))
        yield cluster.bootstrap


def embedded_broker(system: Path) -> str:
    return str(json.loads((system / "run.json").read_text("utf-8"))["broker"])


def telling_run(name: str) -> str:
    """A run whose partition murmur2 knows, and librdkafka's own hash and partition 0 do not."""
    return next(
        run for n in count() if partition(run := f"{name}-{n}") not in {0, zlib.crc32(run.encode()) % PARTITIONS}
    )


def partition(key: str) -> int:
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS


def publish(client: Client, directory: Path, broker: str, run: str, without: str = "") -> None:
    """One call, as the page says, on this broker and with this run."""

    def here(text: str) -> str:
        return text.replace("localhost:9092", broker).replace("run-42", run).replace(without, "")

    if client.language:
        name, text = client.file
        assert "localhost:9092" in text
        assert "run-42" in text
        (directory / name).write_text(here(text), "utf-8")
        command = client.commands[-1]
    else:
        command = "\n".join(["set -e", *map(here, client.commands)])
    done = bash(command, directory, RUN_S)
    assert done.returncode == 0, f"$ {command}\n{done.stdout[-4000:]}"


def published(broker: str, run: str) -> None:
    """The topic holds one call of this run that the contract takes, under its key, where the key's hash says."""

    async def read() -> list[tuple[bytes, int, Call]]:
        return [
            (record.key, record.partition, call)
            async for record in read_log(broker, topics.CALLS, PARTITIONS)
            if (call := Call.model_validate_json(record.value)).run_id == run
        ]

    ((key, where, call),) = asyncio.run(read())
    assert (key, where) == (run.encode(), partition(run))
    assert (call.source, call.agent_id, call.input_tokens, call.output_tokens) == ("my-router", "support-bot", 1200, 85)


def ledger(system: Path, run: str, rows: int) -> list[list[object]]:
    """(outcome, partition) of this run's records, as soon as the ledger has as many."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        question = f"SELECT outcome, partition FROM intake WHERE run_id = '{run}' ORDER BY outcome"
        found: list[list[object]] = spendstream("sql", "--embedded", system, "--json", question).json["rows"]
        if len(found) >= rows:
            return found
        assert time.monotonic() < deadline, f"{run}: the ledger has {found}"
        time.sleep(0.2)


def test_the_ledger_has_the_call(client: tuple[Client, Path], system: Path) -> None:
    broker, run = embedded_broker(system), telling_run(client[0].name)
    publish(*client, broker, run)
    published(broker, run)
    assert ledger(system, run, 1) == [["call", partition(run)]]
    assert spendstream("sql", "--embedded", system, "--json", "SELECT * FROM rejects").json["rows"] == []


def test_apache_kafka_has_the_call(client: tuple[Client, Path], apache_kafka: str) -> None:
    run = telling_run(f"kafka-{client[0].name}")
    publish(*client, apache_kafka, run)
    published(apache_kafka, run)


def test_another_hash_is_moved_and_counts_once(system: Path, tmp_path: Path) -> None:
    """What rule 3 of the page is for. The tests above would fail on such a client."""
    kcat = CLIENTS[4]
    if shutil.which(kcat.tool) is None:
        pytest.skip("a client with another hash is NOT checked: no `kcat` on the path")
    run = telling_run("other-hash")
    assert "-X partitioner=murmur2_random" in kcat.commands[-1]
    publish(kcat, tmp_path, embedded_broker(system), run, "-X partitioner=murmur2_random")
    assert ledger(system, run, 2) == [["call", partition(run)], ["moved", zlib.crc32(run.encode()) % PARTITIONS]]
