"""What event time brings to a detector, without a call: quiet periods end, agents fall silent, hours and the bill are
judged, idle runs are forgotten. Time only runs when calls or `advance` bring it.
"""

from __future__ import annotations

import heapq

from streams.detect import silent
from streams.detect.config import HOUR_MS, MINUTE_MS
from streams.detect.habit import Root
from streams.detect.memory import Memory
from streams.detect.series import TELL
from streams.detect.wider import BILL_MS, FLEET, dear, silence, unusual


class Clock(Memory):
    """See the module."""

    def _close(self, root: Root, hour: int) -> None:
        zs = root.close_block(self.prior, self.config)
        root.block = hour
        root.gap_ms *= 0.99
        if not root.watched and root.blocks >= self.config.silent_blocks:
            root.watched = True
            heapq.heappush(self._deadlines, (root.last_ms + HOUR_MS, root.key))
        if root.blocks > 3:
            score, ready = self.net.score(zs)
            hot = sum(1 for z in zs.values() if z >= 2.0)
            if ready and hot >= 2 and score > self.net.limit() and root.incident is None and not root.frozen:
                self._unusual(root, zs, score)
            if hot or (root.calls + hour) % 5 == 0:
                self.net.learn(zs, score, ready)

    def _unusual(self, root: Root, zs: dict[str, float], score: float) -> None:
        signal = unusual(root, zs, score, self.net.limit(), self.clock, self.config)
        self._signals.append(signal)
        self.book.start(root.key, signal)

    def _ticks(self, at: int) -> None:
        """Once an event-time minute: quiet incidents resolve, silent agents are noticed, idle runs are forgotten."""
        minute = at - at % MINUTE_MS
        if minute <= self.minute:
            return
        step = minute // BILL_MS
        if step > self.minute // BILL_MS and self.minute > 0:
            self._bill(self.minute // BILL_MS, step)
        self.minute = minute
        self.book.tick(minute)
        due = self._deadlines
        while due and due[0][0] <= minute:
            _, key = heapq.heappop(due)
            root = self.families.root(key)
            if root is None:
                continue
            deadline = silent.deadline(root, self.config)
            if deadline is None:
                root.watched = False
                self.families.touched.add(key)
                continue
            if deadline > minute:
                heapq.heappush(due, (deadline, key))
                continue
            root.watched = False
            self.families.touched.add(key)
            if root.incident is None:
                self._silent(root, deadline)
        hour = minute // HOUR_MS
        if hour > self.hour:
            self.hour = hour
            self.families.forget(hour * HOUR_MS - self.config.run_idle_ms)

    def _silent(self, root: Root, at: int) -> None:
        signal = silence(root, at)
        self._signals.append(signal)
        root.incident = self.book.start(root.key, signal)

    def _bill(self, step: int, now: int) -> None:
        """The whole bill in five-minute steps, empty ones included (two days of them at most)."""
        spent, self.spent = self.spent, 0
        score, at = self.bill(step * BILL_MS, float(spent)), step
        for empty in range(max(step + 1, now - 576), now):
            self.bill(empty * BILL_MS, 0.0)
        if score >= TELL and spent >= self.config.spend_min:
            signal = dear(at, spent, score)
            self._signals.append(signal)
            self.book.start(FLEET, signal)
