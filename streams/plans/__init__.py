"""Plans: what flat fees, commitments and per-token prices come to, and for whom. docs/plans.md is the user's page.

file.py       the operator's file            period.py     hours, days, months, and how much of one a plan covers
share.py      splitting money exactly        allocate.py   the engine: use of a period to a statement (pure)
scope.py      which calls are a plan's, as SQL             use.py   what the ledger says was used
figures.py    statements of a month          store.py, duty.py   kept as tables for boards
"""
