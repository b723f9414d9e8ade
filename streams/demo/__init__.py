"""A company on one machine: simulated routers that publish through the real pipeline, and its figures as they come.

    company   who there is: teams, routers, agents, models           habits     what an agent's run looks like
    runaways  the few that go wrong, and when                        day        one stream of calls in event time
    flaws     re-sent and malformed records among them               routers    publishes the stream, paced by the clock
    figures   what the ledger says now                               screen     drawn for a terminal
    run       set up, play, count, audit                             result     what came of it

Why not `streams.simulate`: that one makes labelled weeks for judging detection, from nine kinds of agents without
teams, prompt caches, plans or unpriced models, a day at a time. What it measures must not change because the demo
wants another look, and the demo needs calls one by one, in step with a clock that runs some hundred times as fast.
"""
