"""A command asks a worker: one request, JSON back, with the operator's token. Standard library only; blocks.

worker = WorkerAddress("10.0.0.5:8127", token="...")
status, body = ask(worker, "POST", "/v1/incidents/7/acknowledge", {"reason": "mine"})
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any

from streams.errors import Unavailable

PATIENCE_S = 30.0
MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """Where a worker answers. `token`: sent as `Authorization: Bearer`, when there is one."""

    at: str
    """host:port, an IPv6 address in brackets."""
    token: str = field(default="", repr=False)
    tls: bool = False


def address_of(host: str, port: int, token: str = "", *, tls: bool = False) -> WorkerAddress:
    """From settings; a worker that listens everywhere is asked on loopback."""
    name = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host
    return WorkerAddress(f"[{name}]:{port}" if ":" in name else f"{name}:{port}", token, tls)


def ask(
    worker: WorkerAddress,
    method: str,
    path: str,
    body: Any = None,
    *,
    timeout_s: float = PATIENCE_S,
) -> tuple[int, dict[str, Any]]:
    """(HTTP status, the JSON object of the answer). Raises `Unavailable` when nobody answers, or not in JSON."""
    host, _, port = worker.at.rpartition(":")
    host = host.strip("[]")
    connection: http.client.HTTPConnection
    if worker.tls:
        connection = http.client.HTTPSConnection(
            host, int(port), timeout=timeout_s, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    headers = {"Authorization": f"Bearer {worker.token}"} if worker.token else {}
    sent: bytes | None = None
    if body is not None:
        sent = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        found = json.loads(answer.read(MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"the worker at {worker.at} does not answer: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()
    return answer.status, found if isinstance(found, dict) else {"value": found}
