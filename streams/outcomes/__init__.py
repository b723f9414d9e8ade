"""Verdicts on runs: `decode`, `rows`, `store` and `agent` bring them into the ledger; `runs`, `quality`, `drift`,
`changes`, `watch` and `escalations` say what they mean."""
