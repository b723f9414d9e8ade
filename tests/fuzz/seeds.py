"""Where a run begins: the contracts' examples, and a valid text for each target."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
EXAMPLES = HERE.parents[1] / "schemas" / "examples"

CALL = {
    "id": "c", "time": 1_767_182_400_000, "agent_id": "a", "request_model": "gpt-4o", "input_tokens": 10,
    "output_tokens": 5, "run_id": "r", "tags": {"k": "v"}, "reported_cost": "0.25", "status": "ok",
}  # fmt: skip
_CALL = json.dumps(CALL).encode()

_TEXTS: dict[str, tuple[bytes, ...]] = {
    "query": (
        b"window=1m&from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z&by=agent_id,tier",
        b"tier=oss&by=none",
        b"",
    ),
    "sql": (
        b"SELECT agent_id, sum(cost_usd) FROM calls GROUP BY agent_id FORMAT JSON",
        b"WITH x AS (SELECT 1) SELECT * FROM x WHERE a = 'b\\'c' AND `d` = 1",
        b"DESCRIBE TABLE intake",
    ),
    "lines": (_CALL + b"\n" + _CALL, b"\r\n\n" + _CALL, b""),
    "time": (b"2025-12-31T12:00:00Z", b"2025-12-31T12:00:00.123456+02:00", b"1767182400"),
    "settings": (
        b'broker_url = "k:9092"\nhttp_port = 8127\nflush_seconds = 0.3\nlog_level = "info"\n',
        b'clickhouse_url="http://u:p@h:8123/d"\nBROKER_URL=k:9092',
    ),
    "prices": (
        b'[[price]]\nmodel = "house-*"\nprovider = "in-house"\nfrom = 2026-01-01\ninput = 0.5\noutput = 1.5\n',
        b'[[price]]\nmodel = "a"\ninput = "0.000000000001"\noutput = 0\n',
    ),
    "tiers": (b'[[tier]]\nmodel = "gpt-*"\ntier = "frontier"\n[[tier]]\nprovider = "x"\nmodel = "*"\ntier = "oss"\n',),
    "plans": (b'[[plan]]\nid = "p"\nfrom = 2026-01-01\nusd_per_month = 100\nteam_id = "t"\n',),
    "budgets": (b'[[budget]]\nid = "b"\nperiod = "month"\nlimit_usd = 100.50\nteam_id = "t"\nhard = true\n',),
    "policies": (
        b'[[channel]]\nname = "c"\nkind = "slack"\nurl = "env:TOKEN"\n[[route]]\nteam_id = "t"\nchannels = ["c"]\n',
    ),
    "tokens": (b'[a]\nscope = "read"\ntoken = "env:TOKEN"\n', b"a:read:sha256:" + b"0" * 64 + b",b:control:env:TOKEN"),
    "host": (b"localhost:8127", b"127.0.0.1", b"[::1]:1", b"http://localhost:1"),
    "body": (
        b'{"replay_id": "r", "from_ms": 0, "rows": [{"partition": 0, "after_incarnation": 1, "start_offset": 2}]}',
        b'{"retry_id": "r", "fix": "f", "at_ms": 0, "rows": []}',
    ),
    "control": (b'{"v": 1, "id": "i", "scope": "run", "subject": "r", "mode": "enforce", "action": "block"}',),
    "steps": (b"\x95\x01\xa1w\x00\x90\x90", b"\x95\x01\xa1w\xcf\x00\x00\x01\x9b\x00\x00\x00\x00\x90\x90"),
    "repair": (
        _CALL,
        b'{"at": "1/0/0/0", "call": ' + _CALL + b"}",
        b"tier=mid\nattempt=2\nid=@position\nagent=agent_id",
    ),
}
_EXAMPLES_OF = {"calls": "call", "shape": "call", "repair": "call", "outcomes": "outcome", "usage": "usage"}


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with, never none."""
    found = list(_TEXTS.get(target, ()))
    contract = _EXAMPLES_OF.get(target)
    if contract:
        files = sorted((EXAMPLES / contract).iterdir())
        found += [file.read_bytes() for file in files if file.name != "expected.json"]
    return found or [b"", _CALL]


def kept(target: str) -> list[bytes]:
    """The corpus of a target, in the order of the files' names."""
    folder = CORPUS / target
    return [file.read_bytes() for file in sorted(folder.iterdir())] if folder.is_dir() else []
