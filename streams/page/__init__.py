"""The page that a worker serves by itself: spend, tiers, budgets and runaways in a browser, without Grafana."""

from __future__ import annotations

from streams.page.routes import page_routes

__all__ = ["page_routes"]
