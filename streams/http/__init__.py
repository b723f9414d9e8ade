"""What every HTTP endpoint of a worker has in common: scopes, tokens, limits, headers, and how it listens.

    scopes.py    `@needs("control")` says what a handler asks for; `caller_of(request)` says who asked
    tokens.py    whom the operator lets in, and how a presented token is compared
    guard.py     the middleware that every request passes, and what it refuses
    rate.py      requests a second and address
    server.py    listens: connections, timeouts, sizes, TLS
    ask.py       a command asks a worker

A route is a handler marked by `needs`; one that is not marked is refused when the server starts.
"""
