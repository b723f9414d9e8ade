"""Rows of FOCUS 1.2, made from the charges of a month.

    provider      who sold the call, as routers name it: issuer and publisher too, as calls tell no other
    billing acct  the tenant, or what the operator calls the account where calls name no tenant
    sub account   the team
    resource      the model that was asked for; SKU: the entry of the price book that gave the price, and its meter
    contracted    what the ledger charges: own prices, discounts; list: the book's; billed and effective: as contracted

A row's costs have the ledger's twelve decimals. An unpriced call has rows with its real quantities, no unit prices and
a cost of 0, because FOCUS has no unknown cost; `x_PriceStatus` says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from streams.closing.fees import Fee
from streams.closing.statement import Correction
from streams.export.groups import Group, Step
from streams.export.split import FEE, WHOLE, Charge
from streams.money import PICO, usd
from streams.report.period import month as month_of

Row = dict[str, Any]
_WIDE = Context(prec=80)
_PRICE_DIGITS = 26
NOBODY = "unknown"
"""Provider of calls whose router named none: FOCUS allows no empty one."""

_KIND_WORDS = {"late": "came after the month was closed", "rerated": "prices computed again after the month was closed"}


@dataclass(frozen=True, slots=True)
class Account:
    """`name`: of the billing account where calls name no tenant. `step`: length of a charge period."""

    month: date
    step: Step = "day"
    name: str = "default"


@dataclass(frozen=True, slots=True)
class Priced:
    """A charge, and the calls that it is of. `correction`: late, or empty."""

    group: Group
    charge: Charge
    correction: str = ""


def rows(priced: Iterable[Priced], account: Account) -> list[Row]:
    """Rows of calls; charges that differ in nothing that a row says are one row."""
    merged: dict[tuple[Any, ...], Priced] = {}
    for one in priced:
        key = _key(one)
        other = merged.get(key)
        if other is None:
            merged[key] = one
            continue
        charge = replace(
            other.charge,
            quantity=other.charge.quantity + one.charge.quantity,
            cost=other.charge.cost + one.charge.cost,
            list_cost=other.charge.list_cost + one.charge.list_cost,
        )
        merged[key] = replace(other, charge=charge)
    return [_row(one, account) for one in merged.values()]


def _key(one: Priced) -> tuple[Any, ...]:
    group, charge = one.group, one.charge
    return (
        group.start, group.tenant, group.team, group.tier, group.provider, group.model, group.answered, group.status,
        group.source, group.ref, group.since, group.tags, one.correction,
        charge.meter, charge.unit, charge.price, charge.list_price, charge.above,
    )  # fmt: skip


def _row(one: Priced, account: Account) -> Row:
    group, charge = one.group, one.charge
    length = timedelta(days=1) if account.step == "day" else timedelta(hours=1)
    provider = group.provider or NOBODY
    sku = group.ref or f"{provider}/{group.answered or group.model}"
    quantity = decimal(charge.quantity)
    return _common(account, group.tenant, group.team, provider, group.model) | {
        "ChargePeriodStart": group.start,
        "ChargePeriodEnd": group.start + length,
        "ChargeClass": "Correction" if one.correction else None,
        "ChargeDescription": _description(one),
        "SkuId": sku,
        "SkuMeter": charge.meter,
        "SkuPriceId": _price_id(sku, group, charge),
        "SkuPriceDetails": _details(charge),
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": charge.unit,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": charge.unit,
        "ListUnitPrice": _unit_price(charge.list_price),
        "ContractedUnitPrice": _unit_price(charge.price),
        "ListCost": usd(charge.list_cost),
        "ContractedCost": usd(charge.cost),
        "BilledCost": usd(charge.cost),
        "EffectiveCost": usd(charge.cost),
        "Tags": _tags(dict(group.tags), group.tier),
        "x_Tier": group.tier or None,
        "x_ResponseModel": group.answered or None,
        "x_PriceStatus": group.status or None,
        "x_PriceSource": group.source or None,
        "x_PriceFrom": group.since or None,
        "x_CorrectionKind": one.correction or None,
    }


def correction_rows(corrections: Iterable[Correction], account: Account) -> list[Row]:
    """Rows of corrections that have a cost and no quantity: prices that were computed again, by day, in whole."""
    found = []
    for one in corrections:
        cell, provider = one.cell, one.cell.provider or NOBODY
        start = datetime.fromisoformat(cell.day).replace(tzinfo=UTC)
        sku = f"{provider}/{cell.model}"
        cost = usd(cell.sums.cost)
        found.append(
            _common(account, cell.tenant, cell.team, provider, cell.model)
            | {
                "ChargePeriodStart": start,
                "ChargePeriodEnd": start + timedelta(days=1),
                "ChargeClass": "Correction",
                "ChargeDescription": f"{cell.model} ({provider}): {_KIND_WORDS[one.kind]}",
                "SkuId": sku,
                "SkuMeter": WHOLE,
                "SkuPriceId": f"{sku}#{one.kind}",
                "PricingCategory": "Standard",
                "ListCost": cost,
                "ContractedCost": cost,
                "BilledCost": cost,
                "EffectiveCost": cost,
                "Tags": _tags({}, cell.tier),
                "x_Tier": cell.tier or None,
                "x_CorrectionKind": one.kind,
            }
        )
    return found


def plan_rows(fees: Iterable[Fee], account: Account) -> list[Row]:
    """What plans make of the price of the calls: an adjustment a plan and team, and the capacity that nobody used.

    Rows of calls cost what they would without a plan; with these rows the month costs what it costs with its plans.
    """
    period = month_of(account.month)
    found = []
    for fee in fees:
        cost, idle = usd(fee.amount), fee.team is None
        what = "capacity that nobody used" if idle else "share of the fee and overage, less the price by token"
        found.append(
            _common(account, fee.tenant, fee.team or "", NOBODY, "")
            | {
                "ResourceId": None,
                "ResourceName": None,
                "ResourceType": None,
                "ChargePeriodStart": period.start,
                "ChargePeriodEnd": period.end,
                "ChargeCategory": "Usage" if idle else "Adjustment",
                "ChargeFrequency": "Recurring",
                "ChargeDescription": f"plan {fee.plan}: {what}",
                "SkuId": f"plan/{fee.plan}",
                "SkuMeter": "Plan",
                "SkuPriceId": f"plan/{fee.plan}#{'idle' if idle else 'share'}",
                "PricingCategory": "Committed",
                "PricingQuantity": Decimal(1) if idle else None,
                "PricingUnit": "Units" if idle else None,
                "ConsumedQuantity": Decimal(0) if idle else None,
                "ConsumedUnit": "Units" if idle else None,
                "ListUnitPrice": cost if idle else None,
                "ContractedUnitPrice": cost if idle else None,
                "ListCost": cost,
                "ContractedCost": cost,
                "BilledCost": cost,
                "EffectiveCost": cost,
                "CommitmentDiscountCategory": "Usage",
                "CommitmentDiscountId": fee.plan,
                "CommitmentDiscountName": fee.plan,
                "CommitmentDiscountStatus": "Unused" if idle else None,
                "CommitmentDiscountType": "Plan",
                "Tags": _tags({}, ""),
                "x_CorrectionKind": None,
            }
        )
    return found


def _common(account: Account, tenant: str, team: str, provider: str, model: str) -> Row:
    period = month_of(account.month)
    return {
        "BillingPeriodStart": period.start,
        "BillingPeriodEnd": period.end,
        "BillingAccountId": tenant or account.name,
        "BillingAccountName": tenant or account.name,
        "BillingAccountType": "Tenant",
        "SubAccountId": team or None,
        "SubAccountName": team or None,
        "SubAccountType": "Team" if team else None,
        "InvoiceIssuerName": provider,
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": "Model inference",
        "ResourceId": model,
        "ResourceName": model,
        "ResourceType": "Model",
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "BillingCurrency": "USD",
    }


def _description(one: Priced) -> str:
    group, charge = one.group, one.charge
    text = f"{group.model} ({group.provider or NOBODY}), {charge.meter.lower()}"
    if group.unpriced:
        text += f"; no price is known ({group.status.replace('_', ' ')}): the cost is not 0 but unknown"
    elif charge.meter == WHOLE:
        text += f"; priced by {group.source or 'another book'}, whose prices by class are not at hand"
    if one.correction:
        text += f"; {_KIND_WORDS[one.correction]}"
    return text


def _price_id(sku: str, group: Group, charge: Charge) -> str:
    text = f"{sku}#{charge.meter.lower().replace(' ', '-')}"
    if charge.above >= 0 and charge.meter != FEE:
        text += f";above={charge.above}"
    return f"{text};from={group.since}" if group.since else text


def _details(charge: Charge) -> str | None:
    return None if charge.above < 0 else json.dumps({"x_InputTokensAbove": charge.above})


def _tags(own: Mapping[str, str], tier: str) -> str:
    """The chosen tags of the calls, and the tier under a prefix of ours."""
    ours = {"spendstream/tier": tier} if tier else {}
    return json.dumps({**ours, **own}, ensure_ascii=False, sort_keys=True)


def decimal(amount: Fraction) -> Decimal:
    """A quantity: whole tokens, or seconds to the microsecond; exact."""
    return _WIDE.divide(Decimal(amount.numerator), Decimal(amount.denominator))


def _unit_price(pico: Fraction | None) -> Decimal | None:
    """USD a unit; what has more than 26 decimals (an hour's price in seconds) is rounded there."""
    if pico is None:
        return None
    exact = _WIDE.divide(Decimal(pico.numerator), Decimal(pico.denominator * PICO))
    return exact.quantize(Decimal(1).scaleb(-_PRICE_DIGITS), context=_WIDE)
