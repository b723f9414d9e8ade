"""The live view of a ledger: what agents spend now, by whom, on what; down to one run's calls.

figures   values shown           read     asks the ledger (named queries, bounded)
view      what is looked at      look     one consistent look at it
source    where the ledger is    asker    asks in a thread of its own
app       the terminal view      once     the same as text or JSON, once         shown   figures as people read them
"""
