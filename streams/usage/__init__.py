"""Usage: event-time windows of what agents and tiers spend, live."""
