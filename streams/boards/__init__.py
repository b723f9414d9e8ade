"""Grafana boards as files: their SQL expanded and run without Grafana, their rules, and how they get into a Grafana."""
