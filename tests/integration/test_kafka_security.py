"""Kafka over TLS and SASL with the rights of docs/kafka.md and no others, and a ledger over TLS, with real processes.

The page's table of rights is what the test gives its users: if the page lacked one, the worker would not work.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError

from streams import topics
from streams.config import load_settings
from streams.errors import SettingsError, Unavailable, UsageError
from streams.kafka_admin import ensure_topics, topic_spec
from streams.kafka_security import client_options, faust_credentials
from streams.ledger.client import Database
from streams.publish import Publisher
from tests.crash.worker_process import ROOT, SPENDSTREAM, Site, clean_environment, start_life
from tests.faults.ledger import LedgerServer
from tests.faults.system import until
from tests.integration.test_ledger_server import self_signed
from tests.kafka.cluster import Cluster
from tests.kafka.fixtures import need_kafka
from tests.kafka.secure import Acl, Papers, allow, papers, secure_cluster

USERS = {"worker": "w-p@ss'\"wörd", "router": "secret-of-the-router", "operator": "secret-of-the-operator"}
PASSWORDS = {name: re.sub(r"[^\w@-]", "", password) for name, password in USERS.items()}
CALL = {"agent_id": "a", "run_id": "r", "request_model": "gpt-4o", "input_tokens": 10, "output_tokens": 2}


def rights() -> list[Acl]:
    """The table of docs/kafka.md: | user | operations | kind | name |."""
    text = (ROOT / "docs" / "kafka.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (worker|router|operator) \| ([\w, ]+) \| (Topic|Group|Cluster) \| `([\w.*-]+)` \|", text, re.M
    )
    return [
        Acl(user, operation.strip(), kind, name)
        for user, operations, kind, name in rows
        for operation in operations.split(",")
    ]


@dataclass(frozen=True)
class Ground:
    kafka: Cluster
    papers: Papers
    ledger: LedgerServer
    ledger_url: str
    root: Path

    def settings(self, user: str, **over: Any) -> dict[str, Any]:
        return {
            "broker_url": self.kafka.address("SECURE"),
            "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": self.papers.ca,
            "kafka_sasl_username": user,
            "kafka_sasl_password": PASSWORDS[user],
            **over,
        }

    def options(self, user: str, **over: Any) -> dict[str, Any]:
        return client_options(load_settings({}, **self.settings(user, **over)))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    need_kafka()
    root = tmp_path_factory.mktemp("secure")
    of = papers(root / "papers")
    certificate, key = self_signed(root)
    with (
        secure_cluster(root / "kafka", of, PASSWORDS) as kafka,
        LedgerServer(
            root / "ledger", user="spend", password="of-the-ledger", certificate=certificate, key=key
        ) as ledger,
    ):
        asyncio.run(allow(kafka.bootstrap, rights()))
        url = f"https://spend:of-the-ledger@127.0.0.1:{ledger.port}/secure?ca_file={certificate}"
        yield Ground(kafka, of, ledger, url, root)


def spendstream(ground: Ground, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(**ground.settings(user), clickhouse_url=ground.ledger_url)
    return subprocess.run(
        [*SPENDSTREAM, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def repair(ground: Ground) -> list[subprocess.CompletedProcess[str]]:
    """What docs/repair.md tells an operator to do, and a verdict: each reads Kafka or writes to it."""
    bad, verdict = ground.root / "bad", ground.root / "verdict"
    bad.write_text(
        '{"id":"bad","time":1772409600000,"agent":"a","request_model":"gpt-4o","input_tokens":1,"output_tokens":1}\n'
    )
    verdict.write_text('{"run_id":"run-1","outcome":"success"}\n')
    refused = spendstream(ground, "operator", "replay", str(bad))
    assert "missing_field" in refused.stderr, refused.stdout + refused.stderr
    done = [
        spendstream(ground, "operator", *words)
        for words in (
            ["rejects", "retry", "--reason", "missing_field", "--rename", "agent=agent_id"],
            ["outcomes", "load", str(verdict)],
            ["replay", "--topic", "--from", "start"],
            ["rebuild", "--usage-since", "2026-01-01"],
        )
    ]
    for each in done:
        assert each.returncode == 0, each.stdout + each.stderr
    assert "1 sent again" in done[0].stdout
    return [refused, *done]


def test_a_worker_a_router_and_an_operator_with_the_rights_of_the_page(ground: Ground) -> None:
    async def main() -> None:
        file = ground.root / "password"
        file.write_text(PASSWORDS["worker"] + "\n")
        settings = ground.settings("worker", kafka_sasl_password="", kafka_sasl_password_file=file, log_level="debug")
        site = Site(ground.root, settings.pop("broker_url"), 2)
        life = start_life(site, 1, "secure", clickhouse_url=ground.ledger_url, replication=1, **settings)
        try:
            await life.ready(2)
            secret: Any = ground.options("router")
            async with Publisher(ground.kafka.address("SECURE"), source="router", **secret) as publisher:
                for number in range(500):
                    assert publisher.publish(CALL, id=f"{number}", run_id=f"run-{number}")
                stats = await publisher.close()
            assert (stats.delivered, stats.dropped_total) == (500, 0)
            database = await asyncio.to_thread(Database, ground.ledger_url)

            def calls() -> int:
                return int(database.rows("SELECT count() FROM calls")[0][0])

            await until(lambda: calls() == 500, 60, 0.2)
            lines = ground.root / "lines"
            lines.write_text(
                "\n".join(
                    f'{{"id":"l{number}","time":1772409600000,"agent_id":"a","request_model":"gpt-4o",'
                    '"input_tokens":1,"output_tokens":1}'
                    for number in range(50)
                )
            )
            replayed = await asyncio.to_thread(spendstream, ground, "operator", "replay", str(lines))
            assert replayed.returncode == 0, replayed.stderr
            assert calls() == 550
            doctor = await asyncio.to_thread(spendstream, ground, "operator", "doctor", "--json")
            assert f'"{topics.CALLS}' in doctor.stdout.replace("topic ", '"'), doctor.stdout
            assert "refuses" not in doctor.stdout
            repairs = await asyncio.to_thread(repair, ground)
            assert calls() == 551
            audit = await asyncio.to_thread(spendstream, ground, "operator", "audit", "--json")
            assert '"ok": true' in audit.stdout, audit.stdout + audit.stderr
            database.close()
            life.process.terminate()
            assert await life.gone(60) == 0, life.tail()
        finally:
            if not life.dead:
                life.process.kill()
                life.process.wait()
        said = life.log.read_text() + ground.kafka.nodes[0].log.read_text()
        said += "".join(done.stdout + done.stderr for done in (replayed, doctor, *repairs, audit))
        for secret_text in (*PASSWORDS.values(), "of-the-ledger"):
            assert secret_text not in said, "a password is in a log"

    asyncio.run(main())


def test_a_router_may_do_nothing_but_write_calls(ground: Ground) -> None:
    async def main() -> None:
        options = ground.options("router")
        servers = ground.kafka.address("SECURE")
        await ensure_topics(servers, [topic_spec(topics.CALLS, 2)], **ground.options("worker"))
        await ensure_topics(servers, [topic_spec(topics.USAGE, 2)], **ground.options("worker"))
        producer = AIOKafkaProducer(bootstrap_servers=servers, **options)
        await producer.start()
        try:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topics.USAGE, b"x")
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(topics.CALLS, bootstrap_servers=servers, auto_offset_reset="earliest", **options)
        await consumer.start()
        try:
            with pytest.raises(TopicAuthorizationFailedError):
                async with asyncio.timeout(10):
                    await consumer.getone()
        finally:
            await consumer.stop()
        with pytest.raises(UsageError, match="uthoriz"):
            await ensure_topics(servers, [topic_spec("spendstream.more", 1)], **options)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("over", "error", "words"),
    [
        ({"kafka_sasl_password": "wrong-one"}, UsageError, "refuses user 'worker'"),
        ({"kafka_sasl_username": "nobody"}, UsageError, "refuses user 'nobody'"),
        ({"kafka_sasl_mechanism": "PLAIN"}, UsageError, "has no PLAIN"),
        ({"kafka_ca_file": None}, UsageError, "SPENDSTREAM_KAFKA_CA_FILE"),
        ({"kafka_ca_file": "other"}, UsageError, "not trusted"),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ca_file": None},
            Unavailable,
            "another SPENDSTREAM_KAFKA",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(
    ground: Ground, over: dict[str, Any], error: type[Exception], words: str
) -> None:
    if over.get("kafka_ca_file") == "other":
        over = {"kafka_ca_file": ground.papers.other_ca}
    options = ground.options("worker", **over)
    with pytest.raises(error, match=words) as refused:
        asyncio.run(ensure_topics(ground.kafka.address("SECURE"), [topic_spec(topics.CALLS, 2)], **options))
    assert "wrong-one" not in str(refused.value)
    assert PASSWORDS["worker"] not in str(refused.value)


def test_a_worker_that_is_refused_ends_with_one_clear_line(ground: Ground) -> None:
    settings = ground.settings("worker", kafka_sasl_password="wrong-one")
    done = subprocess.run(
        [*SPENDSTREAM, "worker", "--http-port", "0"],
        cwd=ROOT, env=clean_environment(**settings, clickhouse_url=ground.ledger_url),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("spendstream: Kafka at 127.0.0.1")
    assert "wrong-one" not in done.stderr + done.stdout


def test_client_certificates(ground: Ground) -> None:
    async def main() -> None:
        servers = ground.kafka.address("MUTUAL")
        common: dict[str, Any] = {"broker_url": servers, "kafka_security_protocol": "SSL"}
        common["kafka_ca_file"] = ground.papers.ca
        with pytest.raises(Unavailable, match="client certificate"):
            await ensure_topics(servers, [topic_spec(topics.CALLS, 2)], **client_options(load_settings({}, **common)))
        shown: dict[str, Any] = {"kafka_cert_file": ground.papers.client, "kafka_key_file": ground.papers.client_key}
        await allow(ground.kafka.bootstrap, [Acl("CN=client", "Describe", "Topic", "spendstream.*")])
        await allow(ground.kafka.bootstrap, [Acl("CN=client", "Create", "Topic", "spendstream.*")])
        report = await ensure_topics(
            servers, [topic_spec(topics.CALLS, 2)], **client_options(load_settings({}, **common, **shown))
        )
        assert report.partitions == {topics.CALLS: 2}

    asyncio.run(main())


# -- settings ------------------------------------------------------------------------------------------------------


def test_nothing_for_plain_text() -> None:
    settings = load_settings({})
    assert client_options(settings) == {}
    assert faust_credentials(settings) is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_password": "x"}, "needs a user name"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "u"}, "needs one of them"),
        ({"kafka_sasl_username": "u"}, "kafka_sasl_username: is set, but kafka_security_protocol is PLAINTEXT"),
        ({"kafka_sasl_password": "geheim"}, "kafka_sasl_password: is set"),
        ({"kafka_ca_file": "/nowhere.pem"}, "there is no file /nowhere.pem"),
        ({"kafka_security_protocol": "SSL", "kafka_cert_file": __file__}, "needs both"),
        ({"kafka_security_protocol": "TLS"}, "kafka_security_protocol"),
    ],
)
def test_settings_that_contradict_themselves(given: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load_settings({f"SPENDSTREAM_{name.upper()}": value for name, value in given.items()})
    assert fault in str(wrong.value)
    assert "geheim" not in str(wrong.value)


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    settings = load_settings({}, kafka_security_protocol="SSL", kafka_ca_file=file)
    with pytest.raises(UsageError, match="no PEM certificates"):
        client_options(settings)


def test_secrets_are_not_shown() -> None:
    settings = load_settings(
        {}, kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_username="user", kafka_sasl_password="geheim"
    )
    credentials = faust_credentials(settings)
    assert "geheim" not in repr(settings) + str(settings) + repr(credentials)
    assert client_options(settings)["sasl_plain_password"] == "geheim"
