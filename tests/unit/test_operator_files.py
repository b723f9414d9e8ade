"""A worker's start reads every file of the operator's, and says what is wrong with all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.config import Settings
from streams.errors import SettingsError
from streams.operator_files import read_files

FILES = {
    "prices_file": '[[price]]\nmodel = "m"\ninput = -1\noutput = 1\n',
    "tiers_file": '[[tier]]\ntier = "gold"\nmodels = ["a"]\n[[tier]]\ntier = "oss"\nmodels = ["b", "b"]\n',
    "plans_file": '[[plan]]\nname = "p"\nkind = "per_token"\nfrom = "2026-01-01"\n',
    "budgets_file": '[[budget]]\nname = "b"\namount = 0\nperiod = "day"\n',
    "policies_file": "[[roote]]\n",
}


def settings(directory: Path, files: dict[str, str]) -> Settings:
    named = {}
    for name, text in files.items():
        named[name] = directory / f"{name}.toml"
        named[name].write_text(text, "utf-8")
    return Settings.model_validate(named)


def test_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_files(settings(tmp_path, FILES), {})
    assert [fault.partition(": ")[0] for fault in caught.value.faults] == [
        "prices_file.toml", "tiers_file.toml", "tiers_file.toml", "plans_file.toml", "budgets_file.toml",
        "policies_file.toml",
    ]  # fmt: skip


def test_what_they_say(tmp_path: Path) -> None:
    files = {
        "plans_file": '[[plan]]\nname = "p"\nkind = "per_token"\nfrom = 2026-01-01\n',
        "budgets_file": '[[budget]]\nname = "b"\namount = 1\nperiod = "day"\n',
        "tiers_file": '[[tier]]\ntier = "oss"\nmodels = ["our-model"]\n',
        "prices_file": '[[price]]\nmodel = "our-model"\ninput = 1\noutput = 1\n',
    }
    read = read_files(settings(tmp_path, files), {})
    assert ([plan.name for plan in read.plans], [budget.name for budget in read.budgets]) == (["p"], ["b"])
    assert read.tiers.tier(None, "our-model") == "oss"
    assert len(read.prices.entries) == 1
    none = read_files(Settings.model_validate({}), {})
    assert (none.plans, none.budgets, none.prices.entries) == ((), (), ())
    assert none.policies.controls
