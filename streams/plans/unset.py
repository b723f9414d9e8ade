"""A ledger with figures of plans, read by who has set no plans file: what is computed then leaves plans out."""

from __future__ import annotations

from datetime import date

from streams.counted import counted
from streams.errors import OlderLedger
from streams.ledger.sqlfiles import named_query
from streams.plans.use import Reader

MOST_NAMES = 5


def unset_plans(reader: Reader, first: date, last: date) -> str:
    """What to tell of the months from that of `first` to that of `last`; empty when no plan's figures are kept."""
    asked = {"first": f"{first:%Y-%m}-01", "last": f"{last:%Y-%m}-01"}
    try:
        names = [str(name) for (name,) in reader.rows(named_query("plan_kept_names"), asked)]
    except OlderLedger:  # from before plans
        return ""
    if not names:
        return ""
    more = f" and {counted(len(names) - MOST_NAMES, 'more plan')}" if len(names) > MOST_NAMES else ""
    which = f"plan{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMES])}{more}"
    return f"the ledger has figures of {which}; no plans file is set, so they are not in this (SPENDSTREAM_PLANS_FILE)"
