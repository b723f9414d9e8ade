"""Runaways: signals, baselines and incidents, pure. `Detector` is the way in."""

from __future__ import annotations

from streams.detect.config import DetectConfig
from streams.detect.engine import Detector
from streams.detect.incident import Event, Incident
from streams.detect.signal import Signal

__all__ = ["DetectConfig", "Detector", "Event", "Incident", "Signal"]
