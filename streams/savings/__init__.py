"""What a cheaper tier would save, and what would be lost: mix, evidence, estimate, decision (docs/savings.md)."""
