"""Closing a month: its figures are frozen; what becomes known later counts as a correction, in the month of knowing.

book (which months are closed) -> cut (what the ledger held then) -> statement (a month's own calls and corrections)
-> close (close, reopen), check (does the ledger still say so)
"""
