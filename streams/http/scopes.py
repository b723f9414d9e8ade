"""What a handler asks of its caller. A handler without a mark is not served: forgetting fails closed.

    @needs("control")
    async def acknowledge(request: web.Request) -> web.Response:
        by = caller_of(request).name

Scopes contain each other: admin > control > read. `open` needs no token and may tell nothing secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from aiohttp import web

Scope = Literal["open", "read", "control", "admin"]
"""read: figures and states; control: what people on call do (acknowledge, silence, switch); admin: repair."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

_MARK = "__spendstream_scope__"
_CALLER = web.RequestKey("caller", object)

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[web.StreamResponse]])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name`: the token's, or "local" where no tokens are set and the endpoint is open."""

    name: str
    scope: Scope

    def may(self, scope: Scope) -> bool:
        """Whether this caller's scope contains `scope`."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


NOBODY = Caller("", "open")


def needs(scope: Scope) -> Callable[[Handler], Handler]:
    """Mark a handler (a function or a method) with the scope that it asks for."""
    if scope not in SCOPES:
        raise ValueError(f"there is no scope {scope!r}: use one of {', '.join(SCOPES)}")

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, scope)
        return handler

    return mark


def scope_of(handler: Any) -> Scope | None:
    """The scope that a handler was marked with; None when it was not."""
    found: Scope | None = getattr(handler, _MARK, None)
    return found


def caller_of(request: web.Request) -> Caller:
    """Who asks; `NOBODY` before the guard has looked."""
    caller = request.get(_CALLER, NOBODY)
    return caller if isinstance(caller, Caller) else NOBODY


def let_in(request: web.Request, caller: Caller) -> None:
    """The guard's: remember who asks."""
    request[_CALLER] = caller
