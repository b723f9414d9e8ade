"""The publisher's snippets of docs/connect.md do what the page says; other languages' calls are the contract's.

tests/e2e/test_connect_languages.py builds and runs those of the other clients, where their languages are installed.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.call import Call
from tests.integration.test_publish import Broker

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
PUBLISHER = PAGE.split("\n## Python: the publisher\n")[1].split("\n## ")[0]
PYTHON = re.findall(r"```python\n(.*?)```", PUBLISHER, re.DOTALL)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    it = Broker(tmp_path_factory.mktemp("broker"))
    asyncio.run(it.start())
    yield it
    it.stop()


def test_the_page_has_the_snippets() -> None:
    assert len(PYTHON) == 2


@pytest.mark.parametrize("script", PYTHON, ids=["Publisher", "SyncPublisher"])
def test_a_python_snippet_publishes_one_call(broker: Broker, script: str) -> None:
    before = len(asyncio.run(broker.records()))
    script = script.replace("localhost:9092", broker.url)
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=30, cwd=ROOT)
    records = asyncio.run(broker.records())
    assert len(records) == before + 1
    for record in records:
        call = Call.model_validate_json(record.value)
        assert (call.source, call.agent_id, record.key) == ("my-router", "support-bot", b"run-42")
    assert len({record.partition for record in records}) == 1  # every client hashes the key alike


def test_the_calls_of_other_languages_pass_the_contract() -> None:
    values = re.findall(r'\{"id":.*?\}', PAGE, re.DOTALL)
    assert len(values) == 3  # Go, Java, shell
    for value in values:
        filled = value.replace("%d", "1767323045000").replace("%s", "1767323045")
        assert Call.model_validate_json(filled).run_id == "run-42"
