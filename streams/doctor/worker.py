"""A worker's own word: `/health` and `/ready`."""

from __future__ import annotations

from typing import Any

from streams.doctor.finding import Finding
from streams.errors import Unavailable
from streams.http.ask import WorkerAddress, address_of, ask

PATIENCE_S = 5.0


def look(host: str, port: int, *, must: bool, token: str = "", tls: bool = False) -> Finding:
    """`must`: a worker has to be there (an embedded directory in use); else workers may run on other machines."""
    worker = address_of(host, port, token, tls=tls)
    try:
        ready, _ = _ask(worker, "/ready")
        _, health = _ask(worker, "/health")
    except Unavailable as error:
        if must:
            return Finding("worker", "fail", str(error), "restart it; its log says what happened")
        todo = "start one (`spendstream worker`), or set SPENDSTREAM_HTTP_HOST and _PORT to one of yours"
        return Finding("worker", "warn", str(error), todo)
    return judge(worker.at, ready, health)


def judge(at: str, ready: int, health: dict[str, Any]) -> Finding:
    """`ready`: the HTTP status of /ready; `health`: what /health says."""
    if health.get("fault"):
        return Finding("worker", "fail", f"{at}: {health['fault']}", "its supervisor must restart it; mend the cause")
    waiting = health.get("waiting_for") or {}
    if waiting:
        what = f"{at} waits: " + "; ".join(f"{step}: {why}" for step, why in waiting.items())
        return Finding("worker", "fail", what, "mend what it waits for; it goes on by itself, and nothing is lost")
    if health.get("status") not in {None, "ok"}:
        why = "set SPENDSTREAM_TOKEN to a token of its scope read, and ask again for the reason"
        return Finding("worker", "fail", f"{at} says {health['status']}", why)
    if ready != 200:
        return Finding("worker", "warn", f"{at} has no partitions yet", "look again in a minute, then at its log")
    return Finding("worker", "ok", f"{at} is ready")


def _ask(worker: WorkerAddress, path: str) -> tuple[int, dict[str, Any]]:
    return ask(worker, "GET", path, timeout_s=PATIENCE_S)
