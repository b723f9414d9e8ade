"""The FinOps foundation's own validator on a month of every kind of row.

`focus-validator` 1.0.0, the newest on PyPI, judges FOCUS 1.0 by 132 rules. Five of them are not those of FOCUS 1.0:
four columns go by names of its preview (Provider, Publisher, InvoiceIssuer, ResourceID), so it is handed the file with
these four renamed; and the rule SkuPriceId_Nullable reads a column ChargeType that 1.0 does not have, so it is switched
off and checked here instead. It needs an environment of its own (tests/focus-validator.txt): `make focus-validator`.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from streams.closing.close import close_month
from streams.export.focus import Account
from streams.export.month import export_month
from streams.export.write import write_csv
from streams.plans.file import parse_plans
from tests.integration.test_focus_export import (
    NOVEMBER,
    OCTOBER,
    PRICES,
    START,
    Ledger,
    door,
    ledger,
    made_up,
    overrides,
    rated,
)
from tests.integration.test_report_closed import PLANS
from tests.integration.test_report_figures import Door

__all__ = ["door", "ledger", "overrides"]

ROOT = Path(__file__).resolve().parents[2]
OLD_NAMES = {
    "ProviderName": "Provider",
    "PublisherName": "Publisher",
    "InvoiceIssuerName": "InvoiceIssuer",
    "ResourceId": "ResourceID",
}


@pytest.fixture(scope="module")
def validator() -> Path:
    """Its executable."""
    path = Path(os.environ.get("FOCUS_VALIDATOR", ROOT / ".focus-validator/bin/focus-validator"))
    if not path.is_file():
        pytest.skip(f"no focus-validator at {path}: `make focus-validator` installs it")
    return path


def judged(validator: Path, lines: list[list[str]], folder: Path) -> str:
    """What the validator says of a CSV file; it ends with 0 whatever that is."""
    header, *rows = lines
    with (folder / "focus.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[OLD_NAMES.get(name, name) for name in header], *rows])
    (folder / "overrides.yaml").write_text("overrides:\n  - SkuPriceId_Nullable\n", "utf-8")
    # It looks for its list of currencies below the working directory.
    [packages] = (validator.parents[1] / "lib").glob("python*/site-packages")
    done = subprocess.run(
        [
            validator, "--data-file", folder / "focus.csv", "--validate-version", "1.0",
            "--override-file", folder / "overrides.yaml",
        ],
        cwd=packages,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture
def lines(ledger: Ledger, door: Door, tmp_path: Path) -> list[list[str]]:
    """November: own calls, late and re-rated ones of a closed October, unpriced ones, fees, compute time, plans."""
    rng = random.Random(11)
    ledger.write(made_up(rng, START, 31, 300, "a"), START + timedelta(days=31))
    close_month(door, ledger.database, OCTOBER, by="ada", now=START + timedelta(days=32), audited=False)
    ledger.write(made_up(rng, START, 31, 60, "late"), START + timedelta(days=60))
    ledger.write(made_up(rng, START + timedelta(days=31), 29, 300, "b"), START + timedelta(days=60))
    rated(ledger, START + timedelta(days=50), PRICES.replace('off = "12.5%"', 'off = "25%"'))
    plans = parse_plans(PLANS, "plans.toml")
    made = export_month(door, ledger.steps.pricer, Account(NOVEMBER), ["env"], plans)
    assert {row.get("CommitmentDiscountStatus") for row in made.rows} == {None, "Unused"}
    assert {row["x_CorrectionKind"] for row in made.rows} == {None, "late", "rerated"}
    write_csv(made.rows, tmp_path / "made.csv")
    with (tmp_path / "made.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_validator_accepts_the_export(validator: Path, lines: list[list[str]], tmp_path: Path) -> None:
    said = judged(validator, lines, tmp_path)
    assert "Validation succeeded." in said, said[-3000:]
    place = lines[0].index("SkuPriceId")
    assert all(line[place] for line in lines[1:])


def test_the_validator_would_refuse_a_wrong_one(validator: Path, lines: list[list[str]], tmp_path: Path) -> None:
    place = lines[0].index("BillingCurrency")
    lines[5][place] = "DOLLARS"
    assert "BillingCurrency_IsCurrencyCode failed" in judged(validator, lines, tmp_path)
    place = lines[0].index("BilledCost")
    without = [line[:place] + line[place + 1 :] for line in lines]
    assert "BilledCost_Required failed" in judged(validator, without, tmp_path)
