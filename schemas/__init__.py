"""The contracts between routers and Spendstream: pydantic models, one file each; see README.md in this folder."""

from __future__ import annotations

from schemas.call import Call
from schemas.control import Control
from schemas.incident import Incident
from schemas.outcome import Outcome
from schemas.signal import Signal
from schemas.usage import Usage

__all__ = ["Call", "Control", "Incident", "Outcome", "Signal", "Usage"]
