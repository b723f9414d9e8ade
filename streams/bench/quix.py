"""Contender: a Quix Streams 3 application that decodes JSON and keeps a sum per agent in its state.

At its best: the topic is keyed by agent, so that no record travels twice (`group_by` would); no changelog topic; the
other settings are its defaults (commit every 5 s, RocksDB, at-least-once). It neither validates, prices, de-duplicates
nor stores calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from streams.bench.probe import Moment, peak_rss_mb, rss_mb
from streams.bench.spec import Result, Task


def run(task: Task) -> Result:
    """Read `task.calls` records from the beginning. Raises ImportError without `quixstreams`."""
    from quixstreams import Application

    app = Application(
        broker_address=task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        state_dir=task.directory,
        use_changelog_topics=task.contender == "quix_changelog",
        auto_create_topics=task.contender == "quix_changelog",
        # The embedded broker answers a fetch with the whole rest of the log, whatever limit is asked for.
        consumer_extra_config={"receive.message.max.bytes": 2_000_000_000},
        loglevel="WARNING",
    )
    seen = 0
    began: Moment | None = None
    used: Moment | None = None

    def add(call: dict[str, Any], state: Any) -> dict[str, Any]:
        nonlocal seen, used
        sums = state.get("sums") or [0, 0, 0]
        sums[0] += 1
        sums[1] += call["input_tokens"]
        sums[2] += call["output_tokens"]
        state.set("sums", sums)
        seen += 1
        if seen == task.calls and began is not None:
            used = Moment.now().since(began)
            app.stop()
        return call

    on_assign: Callable[..., None] = app._on_assign

    def assigned(*arguments: Any) -> None:
        # The clock of all contenders starts here, before the first fetch.
        nonlocal began
        on_assign(*arguments)
        began = Moment.now()

    cast(Any, app)._on_assign = assigned
    app.dataframe(app.topic(task.topic, value_deserializer="json")).apply(add, stateful=True)
    app.run(timeout=600)
    if used is None:
        raise RuntimeError(f"only {seen} of {task.calls} records came")
    return Result(task.contender, seen, used.wall_s, used.cpu_s, rss_mb(), peak_rss_mb())
