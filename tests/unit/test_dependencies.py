"""What is installed beside us: pinned, consistent, and under licences that go with ours.

Whether a version has a known hole only an advisory service can say, and none is reached where this is tested:
`make audit-packages` asks one, and fails when it gets no answer. This file is what can be checked without.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|0BSD|CC0|MPL|Mozilla Public|Repoze|Unlicense|CMU)\b",
    re.I,
)
WEAK_COPYLEFT = {"pygal", "cairosvg", "pyte"}
"""LGPL: used unmodified, as libraries that anybody can replace. A new one is a decision, not an accident."""


def pins() -> dict[str, str]:
    """Name and version of each line of constraints.txt."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = re.fullmatch(r"([A-Za-z0-9_.\-]+)==([A-Za-z0-9.+!]+)", text)
        assert match, f"{line}: a constraint is NAME==VERSION, and names no host or file"
        name = canonicalize_name(match[1])
        assert name not in found, f"{name} is pinned twice"
        found[name] = match[2]
    return found


def closure() -> dict[str, metadata.Distribution]:
    """All distributions that an installation with the extra `dev` brings on this machine."""
    found: dict[str, metadata.Distribution] = {}
    todo = [("spendstream", frozenset({"dev"}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = metadata.distribution(name)
        found[name] = distribution
        for text in distribution.requires or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in (extras or {""})]
            if requirement.marker is None or any(requirement.marker.evaluate(one) for one in environments):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


@pytest.fixture(scope="module")
def installed() -> dict[str, metadata.Distribution]:
    found = closure()
    del found["spendstream"]
    assert len(found) > 50
    return found


def test_everything_that_is_installed_is_pinned(installed: dict[str, metadata.Distribution]) -> None:
    pinned = pins()
    assert sorted(set(installed) - set(pinned)) == []


def test_what_is_installed_fits_together() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode()


def licence(distribution: metadata.Distribution) -> str:
    """What a distribution says of itself."""
    about = distribution.metadata
    classifiers = [
        text.split(" :: ")[-1] for text in about.get_all("Classifier") or () if text.startswith("License ::")
    ]
    texts = [text for name in ("License-Expression", "License") for text in about.get_all(name) or ()]
    return " / ".join(text.partition("\n")[0][:200] for text in (*texts, *classifiers) if text)


def test_licences_go_with_ours(installed: dict[str, metadata.Distribution]) -> None:
    odd = {
        name: licence(one)
        for name, one in installed.items()
        if name not in WEAK_COPYLEFT
        and (not PERMISSIVE.search(licence(one)) or re.search(r"\bA?GPL|General Public", licence(one)))
    }
    assert odd == {}


def test_no_requirement_names_a_place_of_its_own() -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        assert not re.search(
            r"@\s*(git|https?|file)|--(extra-)?index-url|--find-links", (ROOT / name).read_text("utf-8")
        )
