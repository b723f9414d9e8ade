"""Grafana boards as Python; `spendstream dashboards build` writes the JSON that is committed beside it in `json/`.

kit.py                              panels from named queries: units, decimals and links follow from the query's columns
spend.py team.py audit.py health.py one board a file
alerts.py                           alert rules (`provisioning/alerting/rules.json`)
render.py                           all of them as files: name -> text
"""
