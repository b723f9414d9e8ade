"""The worker's HTTP endpoints: `/v1/usage`, `/health`, `/ready`, `/metrics`. On loopback unless told.

Who may ask what, and the limits, are in `streams.http`; `/health` and `/ready` are open and tell a stranger one word.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from schemas.times import LATEST_MS
from streams.errors import UsageError
from streams.http.scopes import caller_of, needs
from streams.http.server import Access, HttpServer
from streams.meter.tiers import TIERS
from streams.metrics import Metrics
from streams.usage.agent import UsageAgent, UsageQuestion
from streams.usage.windows import SIZES

_LATEST_S = LATEST_MS // 1000
_MOST_WINDOWS = 100_000  # windows of one answer and agent: a day of seconds; more is a question for SQL


class WorkerHttp:
    """Serves one worker."""

    def __init__(
        self,
        usage: UsageAgent,
        metrics: Metrics,
        *,
        is_ready: Callable[[], bool],
        fatal: Callable[[], str | None],
        now_s: Callable[[], float] = time.time,
        extra: Sequence[web.RouteDef] = (),
        access: Access | None = None,
    ) -> None:
        """`is_ready`: partitions are assigned and read; `fatal`: why the worker is about to stop, None if it is not.

        `extra`: further routes; each handler says its scope by `streams.http.scopes.needs`. `access`: who may ask;
        without it everybody on this machine.
        """
        self._usage = usage
        self._metrics = metrics
        self._is_ready = is_ready
        self._fatal = fatal
        self._now_s = now_s
        self._server = HttpServer(
            [
                web.get("/v1/usage", self._answer_usage),
                web.get("/health", self._answer_health),
                web.get("/ready", self._answer_ready),
                web.get("/metrics", self._answer_metrics),
                *extra,
            ],
            access,
        )

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; port 0 picks a free one. Returns where. Raises `UsageError` when the port is taken."""
        return await self._server.start(host, port)

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()

    @needs("read")
    async def _answer_usage(self, request: web.Request) -> web.Response:
        question = usage_question(dict(request.query), self._now_s())
        return _json(await self._usage.answer(question))

    @needs("open")
    async def _answer_health(self, request: web.Request) -> web.Response:
        fatal = self._fatal()
        status = "failed" if fatal else "waiting" if self._metrics.troubles else "ok"
        if status == "ok" and self._metrics.faults:
            status = "degraded"  # metering goes on
        body: dict[str, Any] = {"status": status}
        if caller_of(request).may("read"):  # what it waits for names hosts: not for everybody
            body |= {
                "waiting_for": dict(self._metrics.troubles),
                "fault": fatal,
                "faults": dict(self._metrics.faults),
                "watermark_ms": self._usage.watermark_ms,
            }
        return _json(body, status=503 if fatal else 200)

    @needs("open")
    async def _answer_ready(self, _: web.Request) -> web.Response:
        ready = self._is_ready() and not self._metrics.troubles and not self._fatal()
        return _json({"ready": ready}, status=200 if ready else 503)

    @needs("read")
    async def _answer_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


def usage_question(query: dict[str, str], now_s: float) -> UsageQuestion:
    """Read the query string of `/v1/usage`. Raises `UsageError` with every fault of it.

    `window`: 1s, 1m or 1h (default 1m); `from`, `to`: RFC 3339 or epoch seconds (default: the last 60 windows);
    `agent_id`, `tier`: only these; `by`: `agent_id,tier` (default), one of them, or `none`.
    """
    faults: list[str] = []
    window = query.pop("window", "1m")
    if window not in SIZES:
        faults.append(f"window must be one of {', '.join(SIZES)}")
        window = "1m"
    size = SIZES[window]
    end = _instant(query.pop("to", ""), now_s, "to", faults)
    first = _instant(query.pop("from", ""), max(0, end - 60 * size), "from", faults)
    if end <= first:
        faults.append("to must be later than from")
    elif (end - first) // size > _MOST_WINDOWS:
        faults.append(f"at most {_MOST_WINDOWS} windows at a time: ask for a shorter time or a larger window")
    by = query.pop("by", "agent_id,tier")
    groups = frozenset() if by == "none" else frozenset(part.strip() for part in by.split(","))
    if groups - {"agent_id", "tier"}:
        faults.append("by must be agent_id,tier or one of them or none")
    agent_id, tier = query.pop("agent_id", None), query.pop("tier", None)
    if tier is not None and tier not in TIERS:
        faults.append(f"tier must be one of {', '.join(TIERS)}")
    faults += [f"there is no parameter {name!r}" for name in query]
    if faults:
        raise UsageError("; ".join(faults))
    return UsageQuestion(window, int(first), int(end), agent_id, tier, groups)


def _instant(text: str, default: float, name: str, faults: list[str]) -> float:
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            faults.append(f"{name} must be RFC 3339 with a zone or epoch seconds, not {text!r}")
            return default
        if instant.tzinfo is None:
            faults.append(f"{name} needs a zone, such as Z: {text!r}")
            return default
        seconds = (instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    if not 0 <= seconds <= _LATEST_S:  # neither does NaN pass
        faults.append(f"{name} must be between 1970 and 2099, not {text!r}")
        return default
    return seconds


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body), status=status, content_type="application/json")
