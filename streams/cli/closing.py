"""Closing and reopening: a server, a directory that nobody runs on, or one that a worker runs, through that worker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams.errors import Unavailable

if TYPE_CHECKING:
    from streams.cli.reach import Ledger
    from streams.config import Settings
    from streams.ledger.client import Database

ANSWER_S: Final = 90.0
"""A worker gives up on an answer after 60 s by itself."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is asked for. `month`: its first day. `audited`: first prove that the ledger adds up."""

    month: date
    by: str
    reason: str
    reopen: bool
    accept_gaps: bool
    empty: bool
    audited: bool


def changed(embedded: Path | None, settings: Settings, act: Act, now: datetime) -> dict[str, Any]:
    """Do it; the change as JSON. Raises `UsageError` for what stands against it."""
    from streams.cli.output import remark
    from streams.closing.close import close_month, reopen_month
    from streams.embedded.directory import find_running
    from streams.plans.file import load_plans
    from streams.plans.unset import unset_plans

    if embedded is not None and find_running(embedded.expanduser().absolute()) is not None:
        return _through_worker(embedded, settings, act)
    acted: dict[str, Any] = {"by": act.by, "reason": act.reason, "now": now}
    with _writing(embedded, settings.clickhouse_url.get_secret_value()) as (ledger, database):
        if act.reopen:
            return reopen_month(ledger, database, act.month, **acted).as_json()
        plans = load_plans(settings.plans_file)
        if settings.plans_file is None:
            remark(unset_plans(ledger, act.month, act.month))
        proof: dict[str, Any] = {"accept_gaps": act.accept_gaps, "empty": act.empty, "audited": act.audited}
        return close_month(ledger, database, act.month, plans=plans, **proof, **acted).as_json()


def _through_worker(embedded: Path, settings: Settings, act: Act) -> dict[str, Any]:
    from streams.cli.asking import asked_of_worker
    from streams.cli.reach import reach
    from streams.closing.close import prove

    if act.audited and not act.reopen:
        with reach(embedded, "") as ledger:
            prove(ledger)
    body = {
        "month": f"{act.month:%Y-%m}", "change": "reopened" if act.reopen else "closed", "by": act.by,
        "reason": act.reason, "accept_gaps": act.accept_gaps, "empty": act.empty,
    }  # fmt: skip
    try:
        return asked_of_worker(embedded, settings, "POST", "/v1/closings", body, scope="admin", timeout_s=ANSWER_S)
    except Unavailable as error:
        raise Unavailable(f"{error}; `spendstream close --list` says whether it was done all the same") from error


@contextlib.contextmanager
def _writing(embedded: Path | None, clickhouse_url: str) -> Iterator[tuple[Ledger, Database]]:
    """The ledger to read and to write: DIR when nobody runs there, else the server of the settings."""
    from urllib.parse import urlsplit

    from streams.cli.reach import EngineLedger, HttpLedger
    from streams.cli.writing import writable
    from streams.ledger.client import Database
    from streams.ledger.migrate import migrate

    with contextlib.ExitStack() as stack:
        if embedded is not None:
            database = stack.enter_context(writable(embedded, clickhouse_url))
            path = embedded.expanduser().absolute() / "ledger"
        elif urlsplit(clickhouse_url).scheme == "chdb":
            path = Path(urlsplit(clickhouse_url).path)
            database = stack.enter_context(contextlib.closing(Database(clickhouse_url, create=True)))
            migrate(database)
        else:
            yield HttpLedger(clickhouse_url), stack.enter_context(contextlib.closing(Database(clickhouse_url)))
            return
        yield stack.enter_context(contextlib.closing(EngineLedger(path))), database
