"""`spendstream doctor`: looks at everything a running meter needs, changes nothing, and says what to do.

Each part reads facts at an edge and judges them in pure functions: finding | local, broker, ledger, worker -> examine.
"""
