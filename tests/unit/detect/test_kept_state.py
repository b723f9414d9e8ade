"""A state that an earlier build wrote is read by this one: classes may move only with their old names kept readable.

`state-1.bin` was written, after 30 calls of `loop(60)` with an open incident, by a build whose detector was one file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams.detect import Detector
from streams.detect.packed import unpack
from streams.detect.parts import assemble, fleet_part
from tests.unit.detect.calls import CENT, feed, loop

KEPT: Any = unpack(Path(__file__).with_name("state-1.bin").read_bytes())
WHOLE, FLEET, ROOTS = KEPT
CALLS = loop(60)


def unbroken() -> Detector:
    """What the state was taken of, built by this code."""
    detector = Detector()
    detector.observe(CALLS[:30], [CENT] * 30)
    return detector


def test_a_whole_state_goes_on_as_if_nothing_had_happened() -> None:
    goes_on = unbroken()
    assert goes_on.incidents
    assert feed(Detector.restore(WHOLE), CALLS[30:]) == feed(goes_on, CALLS[30:])


def test_a_state_in_parts_goes_on_as_if_nothing_had_happened() -> None:
    assert feed(assemble(FLEET, ROOTS), CALLS[30:]) == feed(unbroken(), CALLS[30:])


def test_a_state_has_the_fields_of_its_version() -> None:
    """A field more or less is another version of the state (`streams.detect.memory`)."""
    names = [list(unpack(part)[2]) for part in (FLEET, fleet_part(unbroken()))]
    assert names[0] == names[1]
