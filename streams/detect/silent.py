"""Silent agent: one that never pauses long has stopped. A ticket, not a page.

Needs a day and a half of active hours without a pause of a quarter of an hour. The longest usual pause is learned
with slow decay; silence is twelve times that, and an hour at least.
"""

from __future__ import annotations

from streams.detect.config import DetectConfig
from streams.detect.habit import Root
from streams.detect.signal import span


def note(root: Root, at: int) -> None:
    """Learn the pause that ended at `at`."""
    gap = at - root.last_ms
    if gap > root.gap_ms:
        root.gap_ms = float(gap)


def deadline(root: Root, config: DetectConfig) -> int | None:
    """When its silence becomes abnormal; None while it has no steady habit."""
    if root.blocks < config.silent_blocks or root.gap_ms > config.silent_min_ms / 4:
        return None
    return root.last_ms + int(max(config.silent_factor * root.gap_ms, config.silent_min_ms))


def describe(root: Root, at: int) -> str:
    """The evidence in words and figures."""
    pause, usual = span(at - root.last_ms), span(int(root.gap_ms))
    return f"at opening no call for {pause}; in {root.blocks} active hours it had never paused longer than {usual}"
