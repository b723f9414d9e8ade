"""The detector's state in parts: one for the fleet, one a root agent, so that a checkpoint writes only the agents
that called.

Contract: `assemble(fleet_part(d), [root_part(d, key) for key in d.families.roots])` goes on as `d` would. Parts must
be taken at one moment (between two batches); a checkpoint may keep an agent's older part unless `families.touched`
names it. Sub-agents beyond `max_members` that carry no run id are begun anew. Bytes are compressed pickles: trust their
source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streams.detect.config import HOUR_MS, DetectConfig
from streams.detect.engine import Detector
from streams.detect.family import Asleep
from streams.detect.habit import Root, Run
from streams.detect.incident import Incident
from streams.detect.packed import pack, unpack
from streams.detect.wider import FLEET

_APART = ("config", "families", "book")


def fleet_part(detector: Detector) -> bytes:
    """All that belongs to no single root agent."""
    kept: dict[str, Any] = {name: value for name, value in detector.__dict__.items() if name not in _APART}
    incidents = [incident for incident in detector.book.open.values() if incident.agent_id == FLEET]
    return pack((1, detector.config, kept, incidents, detector.book.pending()))


def root_part(detector: Detector, key: str) -> bytes:
    """One root agent: habits, runs, sub-agents, open incidents. Raises `KeyError` for an agent that is not known."""
    root = detector.families.roots[key]
    lone = detector.families.lone.get(key)
    if lone is not None and lone.root is not root:
        lone = None
    incidents = [incident for incident in detector.book.open.values() if incident.agent_id == key]
    links = [(incident, *detector.book.links(incident)) for incident in incidents]
    return pack((root, lone, links))


def has_open(detector: Detector) -> set[str]:
    """The root agents with an open incident: their parts must not sleep."""
    roots = detector.families.roots
    return {incident.agent_id for incident in detector.book.open.values() if incident.agent_id in roots}


def assemble(
    fleet: bytes,
    roots: Iterable[bytes],
    asleep: Mapping[str, Asleep] | None = None,
    config: DetectConfig | None = None,
) -> Detector:
    """A detector from its parts; the order of the roots does not matter. `asleep`: root agents without an open
    incident, by key, that stay packed until they are needed: unpacking 100,000 takes a quarter of a minute. `config`:
    what it goes by from here on, such as the thresholds of a newer version; that of the parts where it is None.
    """
    version, kept_config, kept, incidents, pending = unpack(fleet)
    if version != 1:
        raise ValueError(f"detector state of version {version} cannot be read by version 1")
    detector = Detector(config or kept_config)
    detector.__dict__.update(kept)
    detector.book.resume(pending)
    for incident in incidents:
        detector.book.link(incident, [], None)
    for part in roots:
        _add(detector, *unpack(part))
    detector.families.put_to_sleep(asleep or {})
    # runs that were forgotten after their agent's part was taken
    detector.families.forget(detector.hour * HOUR_MS - detector.config.run_idle_ms)
    return detector


def _add(
    detector: Detector, root: Root, lone: Run | None, links: list[tuple[Incident, list[Run], tuple[int, int] | None]]
) -> None:
    detector.families.adopt(root, lone)
    for incident, runs, base in links:
        detector.book.link(incident, runs, base)
