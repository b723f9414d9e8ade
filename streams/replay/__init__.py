"""Recorded calls through the real pipeline: lines of files to the broker, and the wait until the ledger holds them."""
