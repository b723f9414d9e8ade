"""Faults: Spendstream on a real Kafka and ClickHouse's engine, broken in every way that we could think of.

`matrix` lists the faults; each runs on a `System` (brokers, ledger, workers, routers) of its own, and what is left is
compared, call by call, with what was sent (`truth`). `python -m tests.faults --table` writes docs/faults.md's table.
"""
