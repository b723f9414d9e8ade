"""The duty writes a day's figures once, in full, equal to what the command says."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.reader import DatabaseReader
from streams.meter.price import Pricer
from streams.outcomes.period import DAY_MS, Span
from streams.outcomes.quality import read_quality
from streams.savings.duty import SavingsDuty
from streams.savings.result import read_savings
from tests.fakes import BASE_MS, call
from tests.integration.outcome_ledger import write_calls, write_verdicts
from tests.integration.test_savings import DAYS, World

TABLES = ("savings_estimates", "savings_evidence", "outcome_figures")


def counts(database: Database) -> list[int]:
    return [int(database.rows(f"SELECT count() FROM {table}")[0][0]) for table in TABLES]


def test_a_day_is_written_once_in_full_and_equals_the_command(database: Database) -> None:
    migrate(database)
    world = World()
    # The first call of the next day: only now is the world's last day over.
    write_calls(database, [*world.calls, call("later", time=BASE_MS + DAYS * DAY_MS + 5, run_id="later")])
    write_verdicts(database, world.verdicts)
    duty = SavingsDuty(database, Pricer.default())
    duty.run(BASE_MS)
    written = counts(database)
    duty.run(BASE_MS + 1000)
    SavingsDuty(database, Pricer.default()).run(BASE_MS + 2000)
    assert counts(database) == written

    reader = DatabaseReader(database)
    span = Span(BASE_MS, BASE_MS + DAYS * DAY_MS)
    savings = read_savings(reader, Pricer.default(), span).as_json()
    quality = read_quality(reader, span).as_json()
    [row] = database.rows(
        "SELECT day, days, calls, cost_usd, saving_low_usd, saving_high_usd, recommendation, questions, answers, "
        "assumptions FROM savings_estimates"
    )
    assert row[:2] == (date(2026, 3, 2 + DAYS - 1), DAYS)
    assert row[2] == savings["calls"]
    assert [row[3], row[4], row[5]] == [Decimal(savings["cost_usd"]), *map(Decimal, savings["saving_usd"])]
    assert row[6] == savings["recommendation"]["kind"]
    assert list(zip(row[7], row[8], strict=True)) == [(one["question"], one["answer"]) for one in savings["questions"]]
    assert row[9] == savings["assumptions"]
    assert sorted(
        database.rows("SELECT task_class, from_tier, to_tier, state, low, runs_needed FROM savings_evidence")
    , key=str) == sorted((
        (one["task_class"], one["from_tier"], one["to_tier"], one["state"], one["low"], one["runs_needed"])
        for one in savings["evidence"]
    ), key=str)  # fmt: skip
    for name in ("by_tier", "by_agent"):
        key = name.removeprefix("by_")
        assert database.rows(
            "SELECT name, runs, successes, cost_usd, cost_per_success_usd FROM outcome_figures "
            "WHERE dimension = {name:String} ORDER BY runs DESC, name",
            {"name": name},
        ) == [
            (one.get(key, one.get(f"{key}_id")), one["runs"], one["successes"], Decimal(one["cost_usd"]),
             Decimal(one["cost_per_success_usd"]))
            for one in quality[name]
        ]  # fmt: skip


def test_without_a_whole_day_there_is_nothing_to_write(database: Database) -> None:
    migrate(database)
    duty = SavingsDuty(database, Pricer.default())
    duty.run(BASE_MS)
    write_calls(database, [call("only")])
    duty.run(BASE_MS)
    assert counts(database) == [0, 0, 0]
