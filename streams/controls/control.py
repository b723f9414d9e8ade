"""A control as it stands, a change of one, and which of two is stronger. Pure.

What a control comes to is its `effect`: `observe` (written down only), `warn`, `throttle` or `block`. Mode `enforce`
does what `action` says; the other modes keep the action as what would be done.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from schemas.control import Control

Scope = Literal["run", "agent", "key"]
Mode = Literal["observe", "warn", "enforce"]
Action = Literal["warn", "throttle", "block"]
Effect = Literal["observe", "warn", "throttle", "block"]

SCOPES: Final[tuple[Scope, ...]] = ("run", "agent", "key")
EFFECTS: Final[tuple[Effect, ...]] = ("observe", "warn", "throttle", "block")
"""From the weakest to the strongest."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the control of (scope, subject). Exactly one of `policy` and `by` says who made it.

    `rate_per_minute`: calls that a throttle lets through. `expires_ms`: epoch ms; None until a person releases it.
    """

    scope: Scope
    subject: str
    mode: Mode
    action: Action
    reason: str
    rate_per_minute: Decimal | None = None
    incident_id: str = ""
    policy: str = ""
    by: str = ""
    expires_ms: int | None = None
    released: bool = False

    def __post_init__(self) -> None:
        if not self.subject or not self.reason.strip():
            raise ValueError("a control needs a subject and a reason")
        if bool(self.policy) == bool(self.by):
            raise ValueError("a control is changed by a policy or by a person")
        if self.action == "throttle" and (self.rate_per_minute is None or self.rate_per_minute <= 0):
            raise ValueError("a throttle needs a rate above nothing")

    @property
    def id(self) -> str:
        """Names the control; the key of its records."""
        return control_id(self.scope, self.subject)

    @property
    def effect(self) -> Effect:
        """What it comes to."""
        return effect(self.mode, self.action)


@dataclass(frozen=True, slots=True)
class Standing:
    """A control as its latest change left it. Times are epoch milliseconds of the clock."""

    number: int
    since_ms: int
    change: Change

    def active(self, now_ms: int) -> bool:
        """It counts: not released, not expired."""
        expires = self.change.expires_ms
        return not self.change.released and (expires is None or expires > now_ms)

    def contract(self) -> dict[str, Any]:
        """As `control` v1 has it."""
        change = self.change
        fields: dict[str, Any] = {
            "v": 1,
            "id": change.id,
            "scope": change.scope,
            "subject": change.subject,
            "mode": change.mode,
            "action": change.action,
            "rate_per_minute": None if change.rate_per_minute is None else float(change.rate_per_minute),
            "reason": change.reason,
            "incident_id": change.incident_id or None,
            "policy": change.policy or None,
            "by": change.by or None,
            "since": self.since_ms,
            "expires_at": change.expires_ms,
            "released": change.released,
        }
        Control.model_validate(fields)
        return {name: value for name, value in fields.items() if value is not None}


def control_id(scope: str, subject: str) -> str:
    """`scope:subject`, as far as an id may be long (256); else with a hash of the subject."""
    plain = f"{scope}:{subject}"
    if len(plain) <= 256:
        return plain
    return f"{scope}:{subject[:150]}-{hashlib.blake2b(subject.encode(), digest_size=16).hexdigest()}"


def effect(mode: str, action: str) -> Effect:
    """What a mode and an action come to."""
    if mode == "enforce":
        return next(one for one in EFFECTS if one == action)
    return "warn" if mode == "warn" else "observe"


def stronger(one: Effect, other: Effect) -> bool:
    """Whether `one` asks for more than `other`."""
    return EFFECTS.index(one) > EFFECTS.index(other)
