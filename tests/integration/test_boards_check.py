"""Every query of every board on chDB: what `spendstream dashboards check` finds, what is read, what a choice keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.boards.check import Report, check, time_range
from streams.boards.files import Boards, read
from streams.boards.lint import panels_of, query_of
from streams.boards.macros import ALL, TimeRange, expand
from streams.boards.queries import board_query, names
from streams.boards.sample import HOSTILE, TEAMS, Sample, fill
from streams.cli.reach import EngineLedger
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.outcomes.intervals import wilson
from streams.outcomes.period import Span
from streams.outcomes.runs import read_runs

NOW = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
EVERYTHING: dict[str, str | list[str]] = {
    "team": ALL,
    "tier": ALL,
    "model": ALL,
    "agent": ALL,
    "run": "",
    "incident": "",
}


@pytest.fixture(scope="module")
def ledger(chdb_url: str) -> Iterator[EngineLedger]:
    """A sample ledger of 60,000 rows over 45 days."""
    with closing(Database(chdb_url, database="boards", create=True)) as database:
        migrate(database)
        fill(database, Sample(end=NOW))
        with closing(EngineLedger(Path(urlsplit(chdb_url).path), database="boards")) as ledger:
            yield ledger
        database.command("DROP DATABASE boards")


@pytest.fixture(scope="module")
def report(ledger: EngineLedger) -> Report:
    """What the command reports on it."""
    return check(ledger, read(), NOW)


def test_every_query_of_every_board_runs_and_shows_something(report: Report) -> None:
    assert report.faults == []
    assert {ran.query for ran in report.ran} == set(names())
    assert {ran.choice for ran in report.ran} == {"everything", "one", "several", "awkward", "typed", "alert"}


def test_what_check_would_find(ledger: EngineLedger) -> None:
    """Each kind of fault, made on purpose."""
    boards = read()
    spend = json.loads(json.dumps(boards.boards["spend"]))
    spend["panels"][0]["options"]["reduceOptions"]["fields"] = "/^nothing$/"
    rules = json.loads(json.dumps(boards.rules))
    rules["groups"][0]["rules"][0]["data"][0]["model"]["rawSql"] = "SELECT 'a' AS provider, 1 AS unpriced, 2 AS two"
    rules["groups"][-1]["rules"][0]["data"][0]["model"]["rawSql"] = "SELECT nothing FROM nowhere"
    faults = "\n".join(check(ledger, Boards({"spend": spend}, rules), NOW).faults)
    assert "shows the column 'nothing', which the query lacks" in faults
    assert "columns ['provider', 'unpriced', 'two'], promised ['provider', 'model', 'unpriced']" in faults
    assert "an alert's query has one number and only texts beside it" in faults
    assert "alert spendstream-stale: ClickHouse refused" in faults
    # A ledger whose rows are not in the time range: nothing to see, and nothing else wrong.
    spend = read().boards["spend"]
    empty = check(ledger, Boards({"spend": spend}, boards.rules), NOW - timedelta(days=400)).faults
    assert any("spend: Spend by tier (everything): nothing to see" in fault for fault in empty)


def rows(ledger: EngineLedger, name: str, range_: TimeRange, **choice: str | list[str]) -> list[dict[str, object]]:
    """A query's rows as Grafana would get them."""
    sql = expand(board_query(name).sql, range_, EVERYTHING | choice)
    answer: list[dict[str, object]] = json.loads(ledger.text(sql, "JSON"))["data"]
    return answer


def spent(found: list[dict[str, object]]) -> float:
    """Their `spend` added up; the line of the budget is none."""
    known = (row["spend"] for row in found if row["spend"] is not None and row.get("tier") != "budget pace")
    return sum(float(str(spend)) for spend in known)


MONTH = TimeRange.before(NOW, timedelta(days=30))


@pytest.mark.parametrize("team", TEAMS)
def test_a_team_is_found_whatever_its_name(ledger: EngineLedger, team: str) -> None:
    shown = team or "(none)"
    everyone = {row["team"]: row for row in rows(ledger, "spend_teams", MONTH)}
    [alone] = rows(ledger, "spend_teams", MONTH, team=[shown])
    assert {**alone, "share": 0} == {**everyone[shown], "share": 0}
    assert alone["share"] == 1


@pytest.mark.parametrize("agent", HOSTILE)
def test_an_agent_is_found_whatever_its_name(ledger: EngineLedger, agent: str) -> None:
    assert [row["agent"] for row in rows(ledger, "agents", MONTH, agent=[agent])] == [agent]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_the_engine_reads_back_what_was_chosen(ledger: EngineLedger, values: list[str]) -> None:
    chosen = "arrayMap(v -> decodeURLComponent(substring(v, 3)), splitByChar('&', '${team:customqueryparam:v}'))"
    assert chosen in board_query("spend_teams").sql
    answer = ledger.text(expand(f"SELECT {chosen} AS it", MONTH, {"team": values}), "JSON")
    assert json.loads(answer)["data"] == [{"it": values}]


def test_a_run_is_found_whatever_its_name(ledger: EngineLedger) -> None:
    [run] = [row["run"] for row in rows(ledger, "agent_runs", MONTH)][:1]
    calls = rows(ledger, "audit_calls", MONTH, run=str(run))
    assert {row["run"] for row in calls} == {run}
    [total] = rows(ledger, "audit_run", MONTH, run=str(run))
    assert int(str(total["calls"])) == len(calls)
    assert rows(ledger, "audit_calls", MONTH, run="' OR 1=1 --\\") == []


def test_figures_equal_the_ledger_added_up(ledger: EngineLedger) -> None:
    """The roll-up's panels against the view `calls`, which knows nothing of roll-ups."""
    day = TimeRange(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC))
    asked = """
        SELECT sum(cost_usd), count(), count() - count(cost_usd), sum(input_tokens) + sum(output_tokens),
            countIf(status != 'ok'), sumIf(input_tokens + output_tokens, price_status = 'priced')
        FROM calls WHERE NOT ignore(offset) AND time >= '2026-03-10 00:00:00' AND time < '2026-03-20 00:00:00'
    """
    [[cost, calls, unpriced, tokens, errors, priced_tokens]] = ledger.rows(asked)
    [total] = rows(ledger, "spend_totals", day)
    assert total["spend"] == pytest.approx(float(cost), rel=1e-12)
    assert (int(str(total["calls"])), int(str(total["unpriced"])), int(str(total["tokens"]))) == (
        calls,
        unpriced,
        tokens,
    )
    assert total["error_share"] == pytest.approx(errors / calls)
    assert total["cost_per_1k"] == pytest.approx(1000 * float(cost) / priced_tokens)
    for name in (
        "spend_by_day",
        "spend_by_day_team",
        "spend_tiers",
        "spend_models",
        "spend_teams",
        "team_by_hour",
        "agents",
    ):
        added = spent(rows(ledger, name, day))
        if name != "agents":  # the fifty dearest only
            assert added == pytest.approx(float(cost), rel=1e-9), name
        else:
            assert 0 < added <= float(cost)


def test_the_first_hour_counts_in_full_and_the_end_is_not_counted_twice(ledger: EngineLedger) -> None:
    """Two ranges that meet at a whole hour add up to the one that spans both."""
    at = [datetime(2026, 3, 12, hour, tzinfo=UTC) for hour in (6, 9, 15)]

    def calls(start: datetime, end: datetime) -> int:
        return int(str(rows(ledger, "spend_totals", TimeRange(start, end))[0]["calls"]))

    assert calls(at[0], at[1]) + calls(at[1], at[2]) == calls(at[0], at[2]) > 0
    assert calls(at[0] + timedelta(minutes=40), at[1]) == calls(at[0], at[1])


def test_month_to_date_against_the_same_stretch(ledger: EngineLedger) -> None:
    [told] = rows(ledger, "spend_month", TimeRange.before(NOW, timedelta(hours=1)))
    [[this, last]] = ledger.rows("""
        SELECT sumIf(cost_usd, time >= '2026-03-01 00:00:00' AND time < '2026-03-31 10:00:00'),
            -- a month before March 31st is the last of February
            sumIf(cost_usd, time >= '2026-02-01 00:00:00' AND time < '2026-02-28 10:00:00')
        FROM calls WHERE NOT ignore(offset)
    """)
    assert told["spend"] == pytest.approx(float(this), rel=1e-12)
    assert told["last_month"] == pytest.approx(float(last), rel=1e-12)
    assert told["change"] == pytest.approx(float(this) / float(last) - 1)


def test_success_rates_are_those_of_the_command(ledger: EngineLedger) -> None:
    """The board's own SQL against the runs that `spendstream outcomes show` reads, added up here."""
    week = TimeRange(datetime(2026, 3, 16, tzinfo=UTC), datetime(2026, 3, 23, tzinfo=UTC))
    runs = read_runs(ledger, Span(*(round(at.timestamp() * 1000) for at in (week.start, week.end))))
    assert len(runs) > 50
    [told] = rows(ledger, "outcome_now", week)
    good = sum(run.success for run in runs)
    cost = sum(run.cost_pico for run in runs) / 1e12
    assert (int(str(told["judged"])), told["success"]) == (len(runs), pytest.approx(good / len(runs)))
    assert (told["low"], told["high"]) == tuple(map(pytest.approx, wilson(good, len(runs))))
    assert told["cost_per_success"] == pytest.approx(cost / good)
    for row in rows(ledger, "outcome_classes", week):
        mine = [run for run in runs if (run.task_class or "(none)", run.tier) == (row["task_class"], row["tier"])]
        assert (int(str(row["judged"])), row["success"]) == (
            len(mine),
            pytest.approx(sum(run.success for run in mine) / len(mine)),
        )
    [alone] = rows(ledger, "outcome_now", week, team=["o'brien"])
    assert int(str(alone["judged"])) == sum(run.team == "o'brien" for run in runs) > 0


def test_runaways_are_counted_once_and_found_by_their_id(ledger: EngineLedger) -> None:
    [now] = rows(ledger, "incidents_now", MONTH)
    listed = rows(ledger, "incidents_open", MONTH)
    assert int(str(now["open"])) == len(listed) > 0
    assert now["so_far"] == pytest.approx(sum(float(str(row["cost"])) for row in listed))
    for name in ("incidents_open", "incident_history", "controls", "incident_notices"):
        chosen = str(next(row["incident"] for row in rows(ledger, name, MONTH)))
        assert {row["incident"] for row in rows(ledger, name, MONTH, incident=chosen)} == {chosen}, name
        assert rows(ledger, name, MONTH, incident="' OR 1=1 --\\") == []
    # The chart ends at what the ledger says that the dearest open run has cost.
    run = str(listed[0]["run"])
    line = [float(str(row["so_far"])) for row in rows(ledger, "incident_cost", MONTH) if row["run"] == run]
    [[cost]] = ledger.rows("SELECT sum(rated_cost_usd) FROM rated_calls WHERE run_id = {run:String}", {"run": run})
    assert line == sorted(line)
    assert line[-1] == pytest.approx(float(cost))


def test_budgets_and_plans_add_up(ledger: EngineLedger) -> None:
    [now] = rows(ledger, "budgets_now", MONTH)
    listed = rows(ledger, "budgets", MONTH)
    assert int(str(now["budgets"])) == len(listed)
    assert int(str(now["over"])) == sum(float(str(row["left"])) < 0 for row in listed) > 0
    [alone] = rows(ledger, "budgets", MONTH, team=["o'brien"])
    assert (alone["value"], alone["team"]) == ("o'brien", "o'brien")
    [plans] = rows(ledger, "plans_now", MONTH)
    periods = [row for row in rows(ledger, "plans", MONTH) if row["plan"] != "(no plan)"]
    assert plans["total"] == pytest.approx(sum(float(str(row["total"])) for row in periods))
    assert plans["saved"] == pytest.approx(sum(float(str(row["saved"])) for row in periods))
    march = TimeRange(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 31, 23, tzinfo=UTC))
    by_day = sum(float(str(row["spend"])) for row in rows(ledger, "plan_cost", march) if row["plan"] != "(no plan)")
    assert by_day == pytest.approx(
        sum(float(str(row["total"])) for row in rows(ledger, "plans", march) if row["plan"] != "(no plan)")
    )


def test_the_months_budget_on_the_spend_board(ledger: EngineLedger) -> None:
    [[amount, so_far, expected]] = ledger.rows(
        "SELECT amount_usd, spent_usd, forecast_usd FROM budget_states WHERE budget = 'everything'"
    )
    [whole] = rows(ledger, "spend_budget", MONTH)
    assert whole["used"] == pytest.approx(float(so_far) / float(amount))
    assert whole["expected"] == pytest.approx(float(expected))
    [month] = rows(ledger, "spend_month", MONTH)
    assert float(so_far) == pytest.approx(month["spend"])
    # The pace: in March only, since February's budget is not known.
    days = {
        str(row["day"]): row["spend"] for row in rows(ledger, "spend_by_day", MONTH) if row["tier"] == "budget pace"
    }
    assert sorted(days) == [f"2026-03-{day:02d} 00:00:00" for day in range(1, 32)]
    assert list(days.values()) == [pytest.approx(float(amount) / 31)] * 31
    # A team's own; two teams' together; none of a tier's, of calls without a team, or of a month without budgets.
    each = {row["value"]: row for row in rows(ledger, "budgets", MONTH) if row["budget"] == "team"}
    [one] = rows(ledger, "spend_budget", MONTH, team=["o'brien"])
    assert one["used"] == pytest.approx(each["o'brien"]["used"])
    two = [each["o'brien"], each["search"]]
    [both] = rows(ledger, "spend_budget", MONTH, team=["o'brien", "search"])
    assert both["expected"] == pytest.approx(sum(float(str(row["forecast"])) for row in two))
    nothing = {"used": None, "expected": None, "between": "no budget"}
    year_before = TimeRange.before(NOW - timedelta(days=365), timedelta(days=30))
    assert rows(ledger, "spend_budget", MONTH, tier=["mid"]) == [nothing]
    assert rows(ledger, "spend_budget", MONTH, team=["(none)"]) == [nothing]
    assert rows(ledger, "spend_budget", year_before) == [nothing]


def test_teams_budgets_stand_for_everything_where_there_is_none_for_it(database: Database, chdb_url: str) -> None:
    migrate(database)
    budgets = (
        # name, scope, team, amount, spent, forecast
        ("of a", "map('team', ['a'])", "a", 1000, 500, 1200),
        ("of b", "map('team', ['b'])", "b", 3000, 500, 900_000),
        ("looser on a", "map('team', ['a'])", "a", 9000, 500, 1200),
        ("two at once", "map('team', ['a', 'b'])", "", 1, 1000, 1),
        ("a model in b", "map('team', ['b'], 'model', ['m'])", "b", 1, 7, 7),
    )
    database.command(
        "INSERT INTO budget_state_rows (budget, value, period_start, period_end, period, each, scope, team_id, tier, "
        "amount_usd, spent_usd, forecast_usd, forecast_low_usd, forecast_high_usd, evaluated_at) "
        + " UNION ALL ".join(
            f"SELECT '{name}', '', toDateTime64('2026-03-01', 3, 'UTC'), toDateTime64('2026-04-01', 3, 'UTC'), "
            f"'month', '', {scope}, '{team}', '', {amount}, {spent}, {forecast}, "
            f"{'NULL' if name == 'looser on a' else forecast - 1}, {forecast + 1000}, now64(3)"
            for name, scope, team, amount, spent, forecast in budgets
        )
    )
    with closing(EngineLedger(Path(urlsplit(chdb_url).path), database=database.database)) as ledger:
        [told] = rows(ledger, "spend_budget", MONTH)
        assert told == {"used": 1000 / 4000, "expected": 901200.0, "between": "$901198 to $903200"}
        assert [row["used"] for row in rows(ledger, "spend_budget", MONTH, team=["a"])] == [0.5]
        # The one of a is used more now, and has too little of a past for an interval.
        database.command(
            "INSERT INTO budget_state_rows SELECT * REPLACE(5000 AS spent_usd, now64(3) + 1 AS evaluated_at) "
            "FROM budget_state_rows WHERE budget = 'looser on a'"
        )
        [told] = rows(ledger, "spend_budget", MONTH)
        assert told == {"used": 5500 / 12000, "expected": 901200.0, "between": "not known yet"}


def test_every_spend_follows_prices_that_were_computed_again(database: Database, chdb_url: str) -> None:
    migrate(database)
    fill(database, Sample(end=NOW, calls=4000, days=3, hostile=False))
    database.command(
        "INSERT INTO adjustments (rating_id, incarnation, partition, offset, item, ingested_at, id, time, tenant_id, "
        "team_id, agent_id, run_id, provider_name, request_model, tier, adjustment_usd, priced_change, price_status) "
        "SELECT 'r', incarnation, partition, offset, item, ingested_at, id, time, tenant_id, team_id, agent_id, "
        "run_id, provider_name, request_model, tier, 0.5, isNull(cost_usd), 'priced' FROM calls "
        "WHERE cityHash64(id) % 3 = 0"
    )
    database.command("INSERT INTO ratings (number, id, finished_at) VALUES (1, 'r', now64(3))")
    days = TimeRange.before(NOW, timedelta(days=7), timedelta(days=1))
    with closing(EngineLedger(Path(urlsplit(chdb_url).path), database=database.database)) as ledger:
        [[cost, unpriced]] = ledger.rows("SELECT sum(rated_cost_usd), countIf(isNull(rated_cost_usd)) FROM rated_calls")
        [[metered]] = ledger.rows("SELECT sum(cost_usd) FROM calls")
        assert float(cost) > float(metered) + 500
        for name in (
            "spend_totals", "spend_by_day", "spend_by_day_team", "spend_tiers", "spend_models", "spend_teams",
            "team_by_hour", "audit_run", "agent_spend", "mix",
        ):  # fmt: skip
            told = spent(rows(ledger, name, days))
            assert told == pytest.approx(float(cost), rel=1e-9), name
        [run] = rows(ledger, "audit_run", days)
        assert int(str(run["unpriced"])) == int(unpriced)
        assert rows(ledger, "audit_so_far", days)[-1]["so_far"] == pytest.approx(float(cost))
        for name, key, column in (("agents", "agent", "agent_id"), ("agent_runs", "run", "run_id")):
            first = rows(ledger, name, days)[0]
            [[of]] = ledger.rows(
                f"SELECT sum(rated_cost_usd) FROM rated_calls WHERE {column} = {{name:String}}", {"name": first[key]}
            )
            assert first["spend"] == pytest.approx(float(of)), name


def _reads(report: Report) -> dict[str, int]:
    return {ran.query: ran.rows_read for ran in report.ran if ran.choice in {"everything", "alert"}}


def test_nothing_reads_more_than_it_says(ledger: EngineLedger, report: Report) -> None:
    """`Reads: hours` reads the roll-up and no row of the ledger; twice for a query that asks twice."""
    [[rolled]] = ledger.rows("""
        SELECT uniqExact(hour, outcome, tenant_id, team_id, tier, provider_name, request_model)
        FROM intake WHERE NOT ignore(offset)
    """)
    [[rejects]] = ledger.rows("SELECT count() FROM intake WHERE agent_id = ''")
    [[judged]] = ledger.rows("SELECT count() FROM judged_run_rows")
    limits = {
        "hours": 2 * int(rolled),
        "rejects": 2 * (int(rejects) + 8192),
        "outcomes": int(judged),
        "parts": 50,
        "positions": 200,
        "epochs": 200,
    }
    read_ = _reads(report)
    over = {name: count for name, count in read_.items() if count > limits.get(board_query(name).reads, 200_000)}
    assert over == {}
    # Chosen agents are read by the ledger's order, not by scanning it.
    agent = rows(ledger, "agents", MONTH)[5]["agent"]
    sql = expand(board_query("agents").sql, MONTH, EVERYTHING | {"agent": [str(agent)]})
    assert json.loads(ledger.text(sql, "JSON"))["statistics"]["rows_read"] <= 3 * 8192


@pytest.mark.slow
def test_rows_read_do_not_grow_with_the_ledgers_age(database: Database, chdb_url: str) -> None:
    """The spend board on 20 days, then on the same 20 days behind 160 more: it reads the same."""
    migrate(database)
    fill(database, Sample(end=NOW, calls=100_000, days=40))
    database.command("OPTIMIZE TABLE intake FINAL")
    board = read().boards["spend"]
    queries = sorted({query_of(panel["targets"][0]).name for panel in panels_of(board)})
    range_ = time_range(board, NOW)
    path = Path(urlsplit(chdb_url).path)

    def read_by(name: str, ledger: EngineLedger) -> int:
        sql = expand(board_query(name).sql, TimeRange.before(range_.end, timedelta(days=5)), EVERYTHING)
        return int(json.loads(ledger.text(sql, "JSON"))["statistics"]["rows_read"])

    with closing(EngineLedger(path, database=database.database)) as ledger:
        young = {name: read_by(name, ledger) for name in queries}
        fill(database, Sample(end=NOW - timedelta(days=40), calls=400_000, days=160, first=100_000))
        database.command("OPTIMIZE TABLE intake FINAL")
        old = {name: read_by(name, ledger) for name in queries}
    # A granule at each end, and a row a part.
    grown = {name: (young[name], old[name]) for name in queries if old[name] > young[name] + 2 * 8192}
    assert grown == {}
