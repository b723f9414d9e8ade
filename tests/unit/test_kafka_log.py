"""Whose lines of aiokafka are withheld, and what is heard of them."""

from __future__ import annotations

import asyncio
import logging

import pytest

from streams.kafka_log import withhold


def test_only_what_is_ours_is_withheld(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    async def client(name: str) -> None:
        logging.getLogger("aiokafka").error("unable to connect: %s", name)
        logging.getLogger("aiokafka.producer.sender").warning("produce failed: %s", name)
        logging.getLogger("aiokafka.consumer.fetcher").warning("fetch failed: %s", name)

    async def ours() -> None:
        withhold(heard.append, set())
        await client("ours")
        await asyncio.create_task(client("ours, in a task of its own"))

    async def router() -> None:
        await asyncio.create_task(ours())
        await client("theirs")

    asyncio.run(router())
    assert [record.getMessage() for record in caplog.records] == [
        "unable to connect: theirs", "produce failed: theirs", "fetch failed: theirs",
    ]  # fmt: skip
    assert heard[0] == "unable to connect: ours"
    assert heard[-1] == "fetch failed: ours, in a task of its own"
    assert len(heard) == 6


def test_at_debug_every_withheld_line_is_there(caplog: pytest.LogCaptureFixture) -> None:
    async def ours() -> None:
        withhold(lambda words: None, set())
        for _ in range(3):
            logging.getLogger("aiokafka.cluster").error("topic %s not found", "t")

    with caplog.at_level(logging.DEBUG, "spendstream.kafka"):
        asyncio.run(ours())
    assert [record.getMessage() for record in caplog.records] == ["aiokafka.cluster: topic t not found"] * 3


def test_a_password_in_the_clear_is_said_once_and_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    once: set[str] = set()

    async def ours() -> None:
        withhold(heard.append, once)
        logging.getLogger("aiokafka.conn").warning("Sending username and password in the clear")

    for _ in range(3):
        asyncio.run(ours())
    assert [record.name for record in caplog.records] == ["aiokafka.conn"]
    assert heard == []
