"""Repair: rejects mended and sent again, the log read again, roll-ups made again. Each goes the way every call goes.

mend.py       what is changed in a refused call, and whether it then is a call
originals.py  the records that were refused, as the log still has them
rejects.py    list, export, send again
marks.py      what is written down of it, here or by the worker that owns the ledger
replays.py    requests to read partitions again, and what a worker that takes one over does about them
reread.py     `replay --from TIME --topic`
rebuild.py    roll-ups: compared with the rows, and made again
http.py       the worker's routes for what only the owner of the ledger can write
"""
