"""What `controls set` answers: what is asked for, and until when."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli.commands import controls
from tests.fakes import BASE_MS


@pytest.mark.parametrize(
    ("expires_at", "words"),
    [
        (None, "run:r: enforce block, until released, in routers that ask"),
        (BASE_MS, "run:r: enforce block, until 2026-03-02 00:00:00 UTC, in routers that ask"),
    ],
)
def test_a_control_says_until_when(monkeypatch: pytest.MonkeyPatch, expires_at: int | None, words: str) -> None:
    def answer(*_: Any) -> dict[str, Any]:
        return {"control": {"id": "run:r", "mode": "enforce", "action": "block", "expires_at": expires_at}}

    monkeypatch.setattr(controls, "asked_of_worker", answer)
    done = CliRunner().invoke(controls.command, ["set", "run:r", "--block", "--reason", "why"])
    assert done.output.strip() == words, done.output
