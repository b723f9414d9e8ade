"""The contracts between routers and Spendstream: pydantic models, one file each; see README.md in this folder."""

from __future__ import annotations

from schemas.call import Call
from schemas.outcome import Outcome
from schemas.usage import Usage

__all__ = ["Call", "Outcome", "Usage"]
