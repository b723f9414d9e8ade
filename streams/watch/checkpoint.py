"""A watcher's state as rows of `watch_state`, and back. Pure.

Parts: `root/KEY` each root agent, `fleet` what belongs to no single agent, `watch` incidents' numbers and places,
`order` how far each source is, `held` calls whose turn has not come, `position` the next offset of the steps topic. A
checkpoint writes the roots that changed and all of the rest. Bytes are pickles: trust their source (the ledger).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from streams.detect import DetectConfig, Detector
from streams.detect.family import Asleep
from streams.detect.packed import pack, unpack
from streams.detect.parts import assemble, fleet_part, has_open, root_part
from streams.watch.fold import Watch
from streams.watch.order import Order
from streams.watch.record import StepCall
from streams.watch.states import RootState

_held_encoder = msgspec.msgpack.Encoder()
_held_decoder = msgspec.msgpack.Decoder(list[StepCall])


@dataclass(frozen=True, slots=True)
class Saved:
    """The small part of a checkpoint: where it stands. `recorded_ms`: of the last change that it knows."""

    version: int
    steps_offset: int
    recorded_ms: int
    disorder_ms: int


def saved_of(data: bytes) -> Saved:
    """The part `position`. Raises `ValueError` when another version wrote it."""
    form, version, steps_offset, recorded_ms, disorder_ms = unpack(data)
    if form != 1:
        raise ValueError(f"a checkpoint of form {form} cannot be read by this version")
    return Saved(version, steps_offset, recorded_ms, disorder_ms)


def rest_of(watch: Watch, order: Order, saved: Saved) -> dict[str, bytes]:
    """All but the root agents."""
    return {
        "fleet": fleet_part(watch.detector),
        "watch": pack(watch.state()),
        "order": pack(order.state()),
        "held": zlib.compress(_held_encoder.encode(order.everything()), 1),
        "position": pack((1, saved.version, saved.steps_offset, saved.recorded_ms, saved.disorder_ms)),
    }


def changed_roots(detector: Detector, written: set[str]) -> Iterator[RootState]:
    """The root agents that changed since the last time, and those of `written` that are gone (empty). Empties
    `touched` and brings `written` up to date; to be taken to its end before the detector goes on.
    """
    families = detector.families
    touched = families.touched & families.roots.keys()
    families.touched.clear()
    gone = written - families.roots.keys() - families.asleep.keys()
    busy = has_open(detector)
    for key in sorted(touched):
        root = families.roots[key]
        lone = families.lone.get(key)
        names = [lone.owner, *(lone.members or ())] if lone is not None and lone.root is root else []
        yield RootState(key, root.last_ms, names, list(root.runs), key in busy, root_part(detector, key))
    for key in sorted(gone):
        yield RootState(key, 0, [], [], False, b"")
    written |= touched
    written -= gone


def resumed(rest: Mapping[str, bytes], roots: Iterable[RootState]) -> tuple[Watch, set[str]]:
    """The watch of a checkpoint, and the keys of the root agents that it has rows of. Root agents without an open
    incident stay packed until they call. The detector goes by this version's parameters, whichever wrote the state.
    """
    written: set[str] = set()
    awake: list[bytes] = []
    asleep: dict[str, Asleep] = {}
    for root in roots:
        written.add(root.key)
        if root.open:
            awake.append(root.state)
        else:
            asleep[root.key] = Asleep(root.last_ms, tuple(root.names), tuple(root.runs), root.state)
    detector = assemble(rest["fleet"], awake, asleep, DetectConfig())
    watch = Watch(detector=detector)
    watch.resume(unpack(rest["watch"]))
    return watch, written


def held_of(rest: Mapping[str, bytes]) -> list[StepCall]:
    """The calls whose turn had not come."""
    return _held_decoder.decode(zlib.decompress(rest["held"]))
