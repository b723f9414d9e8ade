"""A short run of the fuzzer in every `make test`; `make fuzz` tries a million."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.run import run
from tests.fuzz.seeds import CORPUS, kept, seeds
from tests.fuzz.targets import TARGETS, Target

INPUTS = int(os.environ.get("FUZZ_INPUTS", "2000"))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_breaks_a_parser(name: str) -> None:
    tried, finds = run(TARGETS[name], INPUTS, seed=1, slow_s=30.0)
    assert tried >= INPUTS
    assert not finds, f"{finds[0].data!r}\n{finds[0].why}"


def test_a_fault_is_found_and_said() -> None:
    def no_braces(data: bytes) -> None:
        assert b"}}" not in data

    tried, finds = run(Target("calls", no_braces), 5_000, seed=1)
    assert finds
    assert all(b"}}" in find.data for find in finds)
    assert "AssertionError" in finds[0].why
    assert tried <= 5_000


def test_a_run_is_the_same_for_the_same_seed() -> None:
    seen: list[list[bytes]] = []
    for seed in (1, 1, 2):
        inputs: list[bytes] = []
        run(Target("time", inputs.append), 300, seed)
        seen.append(inputs)
    assert seen[0] == seen[1] != seen[2]


def test_the_corpus_is_small_and_of_known_targets() -> None:
    folders = sorted(CORPUS.iterdir())
    assert folders
    assert {folder.name for folder in folders} <= set(TARGETS)
    assert sum(len(data) for folder in folders for data in kept(folder.name)) < 500_000
    assert all(seeds(name) for name in TARGETS)
