"""Grafana boards as Python; `spendstream dashboards build` writes the JSON that is committed beside it in `json/`.

kit/                                  panels from named queries: units, decimals and links follow from their columns
spend.py budgets.py savings.py ...       one board a file
alerts.py                             alert rules (`provisioning/alerting/rules.json`)
render.py                             all of them as files: name -> text
"""

import warnings

with warnings.catch_warnings():
    # The SDK would rather have its second dashboard schema; the first is what provisioning files and the HTTP API take.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.builders.table  # noqa: F401
