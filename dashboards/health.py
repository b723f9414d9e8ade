"""*Pipeline health*: is what the other boards show complete, fresh and priced? Only what the ledger itself knows; how
far the workers are behind the log (records not yet read) is a metric of the workers, `spendstream_lag_records`."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import MUST_BE_ZERO, OUTCOMES, board, listing, number, place, series

UID = "spendstream-health"


def health() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Pipeline health", "Is the ledger fresh, complete and priced? Rejects, duplicates, delays, partitions.",
        since="now-6h", refresh="30s",
    )  # fmt: skip
    return place(
        made,
        [
            (
                "", 4,
                [
                    (4, number("Ledger age", "freshness", "age",
                        "Time since the ledger was last written to. If it grows while agents work: are workers up"
                        " (/health), does Kafka answer, does ClickHouse take inserts?",
                        steps=((None, "green"), (300, "orange"), (1800, "red")))),
                    (4, number("Calls", "health_totals", "calls",
                        "Calls that arrived, each once. If there are none, look at the ledger's age first, then at"
                        " the routers' publishers.")),
                    (4, number("Rejected", "health_totals", "reject_share",
                        "Share of refused calls. If it is not close to 0, the reasons below name the field; the"
                        " sender has to be mended, and the payloads are kept.",
                        steps=((None, "green"), (0.001, "orange"), (0.01, "red")))),
                    (4, number("Duplicates", "health_totals", "duplicate_share",
                        "Share of calls that were sent again. They cost nothing here. If it is high, a router retries"
                        " its publishing; see who below.", steps=((None, "text"), (0.05, "orange")))),
                    (4, number("Unpriced calls", "health_totals", "unpriced",
                        "Calls whose price is not known, in no sum anywhere. If it is not 0, add prices for the"
                        " models below to the override file (docs/prices.md).", steps=MUST_BE_ZERO)),
                    (4, number("Ledger rows", "health_totals", "rows",
                        "Rows of all kinds. If it differs from what routers say they published, run `spendstream"
                        " audit`.")),
                ],
            ),
            (
                "", 9,
                [
                    (10, series("Rows by outcome", "health_outcomes",
                        "What became of what arrived, by event time. If calls stop while rejects go on, a sender"
                        " changed its format; if all stop, workers or Kafka.",
                        stacked=True, bars=True, colours=OUTCOMES)),
                    (7, series("Delay", "health_delay",
                        "From the Kafka record to the ledger. If p95 passes a few seconds, workers cannot keep up: add"
                        " some, or see whether ClickHouse is slow.", interval="1m", below=True)),
                    (7, series("Late calls", "health_late",
                        "From the call to Kafka. If it grows, routers buffer or were cut off; late calls land in their"
                        " own hour, so figures of past hours still change.", interval="1m", below=True)),
                ],
            ),
            (
                "Rejects", 9,
                [
                    (9, listing("Reasons", "health_rejects",
                        "Why calls were refused (schemas/README.md explains each reason). If one is new, find its"
                        " sender by the examples beside.")),
                    (15, listing("Newest rejects", "health_reject_rows",
                        "The newest refused calls with their place in the log. If you must see one whole, read the"
                        " view `rejects`.")),
                ],
            ),
            (
                "Duplicates and missing prices", 9,
                [
                    (12, listing("Duplicates", "health_duplicates",
                        "Who sends calls twice. If a team's share is high, its publisher's acknowledgements get lost:"
                        " look at its time-outs.")),
                    (12, listing("Models without a price", "health_unpriced",
                        "Calls without a price by provider and model. If a provider is (none), have the router name"
                        " it; else add the price to the override file (docs/prices.md).")),
                ],
            ),
            (
                "Partitions", 9,
                [
                    (24, listing("Positions", "health_partitions",
                        "How far the ledger holds each partition, and how long it has been silent. If one is silent and"
                        " the others are not, its owner is stuck: restart that worker.")),
                ],
            ),
            (
                "", 8,
                [
                    (24, listing("Changes of owner", "health_epochs",
                        "When workers took partitions over. If this list grows by the minute, workers die and come"
                        " back: read their logs. A new incarnation says that the topic was made again.")),
                ],
            ),
        ],
    )  # fmt: skip
