"""A seeded simulator of an organisation's agents: contract calls with look-alikes and labelled runaways.

`simulate(seed, days)` gives a `Simulation`: iterate over it for the calls (dicts of the `call` contract, in time
order), then read `labels` (one a runaway) and `outages` (benign, told so that false storms can be counted). Same
arguments, same calls.
"""

from __future__ import annotations

from streams.simulate.labels import Label, Outage
from streams.simulate.world import Simulation

__all__ = ["Label", "Outage", "Simulation", "simulate"]


def simulate(seed: int, days: int, agents: int = 240) -> Simulation:
    """A simulation of `agents` root agents over `days` days; about 1,500 calls an agent in five days.

    Raises `ValueError` for days or agents below 1.
    """
    if days < 1 or agents < 1:
        raise ValueError("days and agents must be at least 1")
    return Simulation(seed, days, agents)
