"""Panels from named queries. What a column is (USD, tokens, share, ...) is said once, in the query's file; unit,
decimals and colour follow from it here, so that tokens cannot be drawn as dollars.

Contract: a panel's `about` says what to do when the panel looks wrong. Ids are given by place on the board, positions
by `place`: rows of a 24-column grid.
"""

from dashboards.kit.colours import (
    DECISIONS,
    FAILURES,
    GROWTH,
    MUST_BE_ZERO,
    OUTCOMES,
    STATUSES,
    USED,
    Steps,
)
from dashboards.kit.frame import board, place
from dashboards.kit.listing import TO_AGENT, TO_RUN, Link, listing
from dashboards.kit.number import number
from dashboards.kit.ranking import ranking
from dashboards.kit.series import series
from dashboards.kit.target import PLUGIN, PLUGIN_VERSION
from dashboards.kit.variables import choices, typed

__all__ = [
    "DECISIONS", "FAILURES", "GROWTH", "MUST_BE_ZERO", "OUTCOMES", "PLUGIN", "PLUGIN_VERSION", "STATUSES", "TO_AGENT",
    "TO_RUN", "USED", "Link", "Steps", "board", "choices", "listing", "number", "place", "ranking", "series", "typed",
]  # fmt: skip
