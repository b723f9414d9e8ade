"""What is wrong with prices: an old book, calls without a price, reported costs that differ, own prices nobody uses.

    examine(reader, pricer, first_ms, end_ms, today, share=Decimal("0.05"))

Reads the ledger only. Every finding says what to do. Money is compared as integers of 1e-12 USD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from streams.ledger.sqlfiles import named_query
from streams.meter.price import Pricer
from streams.meter.price.sheet import Between, Daily, While
from streams.money import exact, pico
from streams.rating.show import show
from streams.report.money import shown

BOOK_DAYS = 90
"""A book whose newest price is older than this many days misses models that are in use by now."""

DEFAULT_SHARE = Decimal("0.05")
"""Of the larger of reported and computed cost."""


class Reader(Protocol):
    """Read access to the ledger; blocks."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """All rows of a query."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs somebody: `kind` is `book_old`, `unpriced`, `reported_differs` or `own_price_unused`."""

    kind: str
    what: str
    todo: str
    figures: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {"kind": self.kind, "what": self.what, "todo": self.todo, **self.figures}


@dataclass(frozen=True, slots=True)
class Deviation:
    """What a router told and what we computed, for the same calls; money in 1e-12 USD."""

    provider: str
    model: str
    calls: int
    reported_pico: int
    computed_pico: int

    def exceeds(self, share: Decimal) -> bool:
        """Whether they differ by more than `share` of the larger."""
        larger = max(self.reported_pico, self.computed_pico)
        return abs(self.reported_pico - self.computed_pico) > Fraction(share) * larger

    @property
    def name(self) -> str:
        """`provider/model`."""
        return _name(self.provider, self.model)

    def in_words(self) -> str:
        """Both sums and what they are of."""
        more = "more" if self.reported_pico > self.computed_pico else "less"
        percent = abs(self.reported_pico - self.computed_pico) * 1000 // max(self.reported_pico, self.computed_pico)
        return (
            f"{self.name}: routers report {shown(self.reported_pico)} USD for {counted(self.calls)}, "
            f"{percent // 10}.{percent % 10} % {more} than the {shown(self.computed_pico)} USD computed"
        )


def examine(
    reader: Reader,
    pricer: Pricer,
    first_ms: int,
    end_ms: int,
    today: date,
    *,
    share: Decimal = DEFAULT_SHARE,
    book_days: int = BOOK_DAYS,
) -> list[Finding]:
    """All findings about calls of `first_ms` <= time < `end_ms`, and about the book as of `today`."""
    return [
        *_old_book(pricer, today, book_days),
        *_unpriced(reader, pricer, first_ms, end_ms),
        *_differing(reader, first_ms, end_ms, share),
        *_unused(reader, pricer, first_ms, end_ms),
    ]


def deviations(reader: Reader, first_ms: int, end_ms: int) -> list[Deviation]:
    """Reported beside computed cost, by provider and model, of the calls that have both."""
    return [
        Deviation(str(provider), str(model), int(calls), pico(reported), pico(computed))
        for provider, model, calls, reported, computed in reader.rows(
            named_query("price_reported"), {"first": first_ms, "end": end_ms}
        )
    ]


def _old_book(pricer: Pricer, today: date, book_days: int) -> Iterator[Finding]:
    info = pricer.book.info()
    age = info.age_days(today)
    if age is not None and age > book_days:
        yield Finding(
            "book_old",
            f"the newest price of {info.name} {info.version} is of {info.newest_price}, {age} days ago",
            f"pip install --upgrade {info.name}, start the workers anew, then `spendstream prices rerate`",
            {"version": info.version, "newest_price": str(info.newest_price), "age_days": age},
        )


def _unpriced(reader: Reader, pricer: Pricer, first_ms: int, end_ms: int) -> Iterator[Finding]:
    for provider, model, answered, status, calls, tokens, teams, first, last in reader.rows(
        named_query("price_unpriced"), {"first": first_ms, "end": end_ms}
    ):
        by = f" answered by {answered}" if answered else ""
        now = show(pricer, str(provider) or None, str(answered) or str(model), int(last))
        priced = now.now.status in ("priced", "free")
        by_name = status in ("unknown_provider", "unknown_model", "unknown_seller", "no_token_price")
        yield Finding(
            "unpriced",
            f"{_name(str(provider), str(model))}{by}: {counted(int(calls))} "
            f"with {int(tokens):,} tokens, no price ({status})",
            (
                "today's prices know it: `spendstream prices rerate` gives these calls their price"
                if priced and by_name
                else _TODO.get(
                    str(status), "add a price of your own (docs/prices.md), then `spendstream prices rerate`"
                )
                + (f"; the book has it from {', '.join(now.sellers)}" if now.sellers and not priced else "")
            ),
            {
                "provider": provider,
                "model": model,
                "response_model": answered,
                "status": status,
                "calls": int(calls),
                "tokens": int(tokens),
                "teams": int(teams),
                "first_call": instant(int(first)),
                "last_call": instant(int(last)),
            },
        )


_TODO = {
    "unknown_seller": "have the router set provider_name, or add a price of your own",
    "bad_tokens": "mend the router: more cached tokens than input tokens, or a negative count",
    "too_large": "mend the router: no call has that many tokens",
    "no_duration": "the price is by the hour: have the router send latency_ms",
}


def _differing(reader: Reader, first_ms: int, end_ms: int, share: Decimal) -> Iterator[Finding]:
    for found in deviations(reader, first_ms, end_ms):
        if found.exceeds(share):
            yield Finding(
                "reported_differs",
                found.in_words(),
                "compare with the provider's invoice: add a negotiated rate to your own prices, or mend the router's",
                {
                    "provider": found.provider,
                    "model": found.model,
                    "calls": found.calls,
                    "reported_usd": exact(found.reported_pico),
                    "computed_usd": exact(found.computed_pico),
                },
            )


def _unused(reader: Reader, pricer: Pricer, first_ms: int, end_ms: int) -> Iterator[Finding]:
    """Own prices that were in force in that time, at least in part, and that no call of it was named by."""
    labels = pricer.overrides.labels()
    if not labels:
        return
    idle = {entry.number for entry in pricer.overrides.entries if _overlap(_span(entry.period.rule), first_ms, end_ms)}
    for provider, model, answered, first, last in reader.rows(
        named_query("price_names"), {"first": first_ms, "end": end_ms}
    ):
        names = pricer.names(str(provider) or None, str(model), str(answered) or None)
        for number, rule in pricer.overrides.meant(*names):
            if _overlap(_span(rule), int(first), int(last) + 1):
                idle.discard(number)
        if not idle:
            return
    for number in sorted(idle):
        yield Finding(
            "own_price_unused",
            f"price {number} of your file ({labels[number]}) is for no call of that time",
            "is it spelt as routers send it? `spendstream sql` on `calls` shows the names",
            {"entry": number, "label": labels[number]},
        )


def _span(rule: Between | Daily | While) -> tuple[int | None, int | None]:
    """What an entry of the file says of its time; they are all of the first kind."""
    assert isinstance(rule, Between)
    return rule.start_ms, rule.end_ms


def _overlap(span: tuple[int | None, int | None], first_ms: int, end_ms: int) -> bool:
    start, end = span
    return (start is None or start < end_ms) and (end is None or first_ms < end)


def _name(provider: str, model: str) -> str:
    return f"{provider}/{model}" if provider else model


def counted(calls: int) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{calls:,} call{'s'[: calls != 1]}"


def instant(ms: int) -> str:
    """Epoch ms as RFC 3339 in UTC."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
