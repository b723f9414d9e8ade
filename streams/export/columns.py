"""The columns of a FOCUS file: those of FOCUS 1.2 that a ledger of model calls can fill, in order, with their types.

Columns of 1.2 that need what no call tells (regions, zones, invoices, other currencies) are left out, or empty where
FOCUS 1.0 wants the column itself. Ours begin with `x_`, as FOCUS asks.
"""

from __future__ import annotations

import pyarrow as pa

TEXT = pa.string()
MONEY = pa.decimal128(38, 12)
"""USD: the ledger's digits."""
PRICE = pa.decimal128(38, 26)
"""USD a unit. Prices a token are exact in it: 12 decimals a million tokens, and 8 of a discount."""
AMOUNT = pa.decimal128(38, 6)
"""Tokens and requests are whole; seconds have microseconds."""
INSTANT = pa.timestamp("ms", tz="UTC")

COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("BillingPeriodStart", INSTANT),
    ("BillingPeriodEnd", INSTANT),
    ("ChargePeriodStart", INSTANT),
    ("ChargePeriodEnd", INSTANT),
    ("BillingAccountId", TEXT),
    ("BillingAccountName", TEXT),
    ("BillingAccountType", TEXT),
    ("SubAccountId", TEXT),
    ("SubAccountName", TEXT),
    ("SubAccountType", TEXT),
    ("InvoiceIssuerName", TEXT),
    ("ProviderName", TEXT),
    ("PublisherName", TEXT),
    ("ServiceCategory", TEXT),
    ("ServiceSubcategory", TEXT),
    ("ServiceName", TEXT),
    ("ResourceId", TEXT),
    ("ResourceName", TEXT),
    ("ResourceType", TEXT),
    ("RegionId", TEXT),
    ("RegionName", TEXT),
    ("ChargeCategory", TEXT),
    ("ChargeClass", TEXT),
    ("ChargeFrequency", TEXT),
    ("ChargeDescription", TEXT),
    ("SkuId", TEXT),
    ("SkuMeter", TEXT),
    ("SkuPriceId", TEXT),
    ("SkuPriceDetails", TEXT),
    ("PricingCategory", TEXT),
    ("PricingQuantity", AMOUNT),
    ("PricingUnit", TEXT),
    ("ConsumedQuantity", AMOUNT),
    ("ConsumedUnit", TEXT),
    ("BillingCurrency", TEXT),
    ("ListUnitPrice", PRICE),
    ("ContractedUnitPrice", PRICE),
    ("ListCost", MONEY),
    ("ContractedCost", MONEY),
    ("BilledCost", MONEY),
    ("EffectiveCost", MONEY),
    ("CommitmentDiscountCategory", TEXT),
    ("CommitmentDiscountId", TEXT),
    ("CommitmentDiscountName", TEXT),
    ("CommitmentDiscountQuantity", AMOUNT),
    ("CommitmentDiscountStatus", TEXT),
    ("CommitmentDiscountType", TEXT),
    ("CommitmentDiscountUnit", TEXT),
    ("Tags", TEXT),
    ("x_Tier", TEXT),
    ("x_ResponseModel", TEXT),
    ("x_PriceStatus", TEXT),
    ("x_PriceSource", TEXT),
    ("x_PriceFrom", TEXT),
    ("x_CorrectionKind", TEXT),
)

TYPES = dict(COLUMNS)
