"""How well runaways are found: the detector as it ships, on recorded and simulated calls, beside what people use
today.
"""

from __future__ import annotations

from streams.evaluate.judge import evaluate, evaluate_seeds
from streams.evaluate.report import EvaluationReport, table

__all__ = ["EvaluationReport", "evaluate", "evaluate_seeds", "table"]
