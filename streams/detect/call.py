"""What the detector reads of a call: the contract's attribute names, nothing else."""

from __future__ import annotations

from typing import Protocol


class Seen(Protocol):
    """A metered call. `time` is integer epoch milliseconds; what a router did not say is None."""

    @property
    def id(self) -> str: ...
    @property
    def time(self) -> int: ...
    @property
    def agent_id(self) -> str: ...
    @property
    def run_id(self) -> str | None: ...
    @property
    def parent_agent_id(self) -> str | None: ...
    @property
    def request_model(self) -> str: ...
    @property
    def provider_name(self) -> str | None: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def status(self) -> str | None: ...
    @property
    def attempt(self) -> int | None: ...
    @property
    def retry_of(self) -> str | None: ...
    @property
    def request_fingerprint(self) -> str | None: ...


class Priced(Seen, Protocol):
    """A call and its price in pico-USD, None where unpriced."""

    @property
    def cost_pico(self) -> int | None: ...


FAILED = frozenset({"error", "timeout", "rate_limited"})
"""Statuses that a client retries. `cancelled` and `denied` are decisions, not failures."""
