"""Budgets: what may be spent, what is spent, how fast, and what it comes to. `state.py` is the heart, and pure."""
