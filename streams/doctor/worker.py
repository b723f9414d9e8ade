"""A worker's own word: `/health` and `/ready`."""

from __future__ import annotations

import http.client
import json
from typing import Any

from streams.doctor.finding import Finding

PATIENCE_S = 5.0


def look(host: str, port: int, *, must: bool) -> Finding:
    """`must`: a worker has to be there (an embedded directory in use); else workers may run on other machines."""
    at = f"{'127.0.0.1' if host in {'0.0.0.0', '::', ''} else host}:{port}"
    try:
        ready, _ = _ask(at, "/ready")
        _, health = _ask(at, "/health")
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        if must:
            return Finding("worker", "fail", f"{at} does not answer: {why}", "restart it; its log says what happened")
        todo = "start one (`spendstream worker`), or set SPENDSTREAM_HTTP_HOST and _PORT to one of yours"
        return Finding("worker", "warn", f"none answers at {at}: {why}", todo)
    return judge(at, ready, health)


def judge(at: str, ready: int, health: dict[str, Any]) -> Finding:
    """`ready`: the HTTP status of /ready; `health`: what /health says."""
    if health.get("fault"):
        return Finding("worker", "fail", f"{at}: {health['fault']}", "its supervisor must restart it; mend the cause")
    waiting = health.get("waiting_for") or {}
    if waiting:
        what = f"{at} waits: " + "; ".join(f"{step}: {why}" for step, why in waiting.items())
        return Finding("worker", "fail", what, "mend what it waits for; it goes on by itself, and nothing is lost")
    if ready != 200:
        return Finding("worker", "warn", f"{at} has no partitions yet", "look again in a minute, then at its log")
    return Finding("worker", "ok", f"{at} is ready")


def _ask(at: str, path: str) -> tuple[int, dict[str, Any]]:
    host, _, port = at.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return answer.status, body if isinstance(body, dict) else {}
    finally:
        connection.close()
