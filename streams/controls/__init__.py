"""What routers should do now about a run, an agent or a key.

control.py   a control and a change of one; which is stronger
book.py      every change, audited, in the ledger
decide.py    what a policy asks for when an incident changes
duty.py      policies applied, and the state published to `spendstream.controls`
http.py      GET /v1/controls for routers; PUT and DELETE for people
client.py    for routers: "may this call go?" from memory
bucket.py    the throttle
sources.py   where the client's picture comes from: HTTP or Kafka
"""
