"""The watcher: what the meter wrote to the ledger, in event order, through the detector, into incidents while they
happen.

    steps      record (what the meter says), tell (the meter's side)
    order      whose turn it is: calls of all partitions in (time, id) order
    fold       detector, numbered events, operators' actions
    store      signals, incidents and checkpoints in ClickHouse; what the topic lacks, from the ledger
    agent      the room in the worker
"""
