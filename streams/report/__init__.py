"""The finance report: a period's spend as one self-contained HTML page, as CSV files and as JSON, all the same figures.

period -> figures (reads the ledger) -> charts, page | tables (CSV, JSON)
"""
