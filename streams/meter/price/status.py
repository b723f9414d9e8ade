"""Why a call has a price or has none: small codes on the hot path, stable names for the ledger and the user.

Only PRICED and FREE carry a cost. Everything else is unpriced: stored, counted and shown as such, never as zero.
"""

from __future__ import annotations

from typing import Final

PRICED: Final = 0
FREE: Final = 1
UNKNOWN_PROVIDER: Final = 2
UNKNOWN_MODEL: Final = 3
UNKNOWN_SELLER: Final = 4
NO_TOKEN_PRICE: Final = 5
NO_OUTPUT_PRICE: Final = 6
BAD_TOKENS: Final = 7
TOO_LARGE: Final = 8
NO_DURATION: Final = 9

STATUSES: Final = (
    "priced",
    "free",
    "unknown_provider",
    "unknown_model",
    "unknown_seller",
    "no_token_price",
    "no_output_price",
    "bad_tokens",
    "too_large",
    "no_duration",
)
"""Names by code.

`free`: the book lists the model at no charge. `unknown_provider`: the provider is named and is in no book.
`unknown_model`: the provider's book has no such model. `unknown_seller`: no provider is named and the model is sold
by several at several prices. `no_token_price`: the model is sold by the second, page or character, or its price is
gone. `no_output_price`: output tokens of a model that has an input price only. `bad_tokens`: a negative count, or
cached tokens above all input tokens. `too_large`: a cost above 999,999.999999999999 USD, which `Decimal(18, 12)`
cannot hold. `no_duration`: the price is by the hour and the call does not say how long it took.
"""
