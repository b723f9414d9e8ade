"""Draws the boards with Grafana's own components (npm), for eyes: `python -m dashboards.draw OUT`."""
