"""`kafka` (one broker) and `kafka_cluster` (three) for the whole session; skipped or refused where Kafka cannot run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.kafka.cluster import Cluster
from tests.kafka.jars import Missing, jars, java


def need_kafka() -> None:
    """Skip with the reason where Kafka cannot run; fail instead with SPENDSTREAM_REQUIRE_KAFKA=1."""
    try:
        java()
        jars()
    except Missing as missing:
        if os.environ.get("SPENDSTREAM_REQUIRE_KAFKA") == "1":
            pytest.fail(f"{missing} (SPENDSTREAM_REQUIRE_KAFKA=1)", pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker. Whoever stops, kills or pauses it brings it back before the test ends."""
    need_kafka()
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers."""
    need_kafka()
    with Cluster(tmp_path_factory.mktemp("kafka-3"), nodes=3) as cluster:
        yield cluster
