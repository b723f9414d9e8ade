"""Exports for the tools of finance: FOCUS, the FinOps Open Cost and Usage Specification.

groups (calls of one price each, from the ledger) -> rates (what they cost) -> split (a group's cost by token class)
-> focus (rows of FOCUS) -> table, write (Arrow; CSV, Parquet)
"""
