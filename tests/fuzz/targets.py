"""Every parser of outside input, with what must hold of it for any bytes. A target raises when it does not hold.

What a parser may raise is part of its contract: operator's files `SettingsError`, command lines and queries
`UsageError`, files `SpendstreamError`, records nothing at all. Anything else is a find.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from schemas.call import Call
from schemas.reasons import REASONS
from schemas.times import EARLIEST_MS, LATEST_MS, parse_rfc3339
from schemas.usage import decode_usage, encode_usage
from streams.alert.policies import parse_policies
from streams.budgets.file import parse_budgets
from streams.config import load_settings
from streams.controls.sources import _take
from streams.embedded.guard import clamp, judge, setting_is_harmless
from streams.errors import SettingsError, SpendstreamError, UsageError
from streams.http.loopback import is_own_origin, names_loopback
from streams.http.tokens import load_tokens
from streams.meter.decode import decode
from streams.meter.judge import RAW_MAX_BYTES
from streams.meter.price.overrides import parse_overrides
from streams.meter.rows import CallColumns
from streams.meter.sketch import sketch
from streams.meter.tiers import parse_tiers
from streams.outcomes.decode import decode_outcomes
from streams.plans.file import parse_plans
from streams.repair.http import _AskedBody, _read, _RetriedBody
from streams.repair.mend import Fix, Mended, Place, mend, parse_fix
from streams.repair.originals import part_of
from streams.repair.rejects import edited
from streams.replay.keys import key_of_line, time_of_line
from streams.replay.lines import LINE_MAX, read_chunks_of
from streams.usage.http import usage_question
from streams.watch.record import decode_steps

NOW = 1_767_182_400_000
PARTS_MOST = 200
"""Calls of one input that are looked at one by one; more is the same again."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser. `words`: what its texts are made of, for the mutator."""

    name: str
    run: Callable[[bytes], None]
    words: tuple[bytes, ...] = ()
    share: int = 10
    """Of a run's inputs, beside the other targets': slow parsers get fewer, so that each gets about the same time."""


def calls(data: bytes) -> None:
    """A record of calls: total, every verdict can be stored, and company changes nothing."""
    found = decode([data], [NOW])
    assert found.calls or found.rejects
    places = sorted([*found.index, *(reject.index for reject in found.rejects)])
    assert places == list(range(len(places)))
    for reject in found.rejects[:PARTS_MOST]:
        assert reject.reason in REASONS
        (reject.detail + reject.payload).encode()
        assert len(reject.payload) <= 16_000
    for call in found.calls[:PARTS_MOST]:
        assert 0 <= call.input_tokens <= 10**9
        assert EARLIEST_MS <= call.time < LATEST_MS
        assert call.id
        assert len(call.id) <= 128
    CallColumns(found.calls)
    beside = decode([b"{", data], [NOW, NOW])
    assert beside.calls == found.calls
    assert [(one.index, one.reason) for one in beside.rejects[1:]] == [(one.index, one.reason) for one in found.rejects]


def shape(data: bytes) -> None:
    """What is kept of broken input is never running text."""
    kept = sketch(data[:RAW_MAX_BYTES].decode("utf-8", "backslashreplace"), frozenset(Call.model_fields))
    assert not re.search(r"[^\W\d_]{129}", kept)
    for planted in (b"planted words of a prompt", b'{"messages": "planted words of a prompt"}'):
        for text in (data[:200] + planted, planted + data[:200]):
            assert "planted words" not in sketch(text.decode("utf-8", "backslashreplace"), frozenset(Call.model_fields))


def outcomes(data: bytes) -> None:
    """A record of verdicts."""
    assert list(decode_outcomes(data, 0, NOW))


def usage(data: bytes) -> None:
    """A record of sums; ValueError is its way to say no. What it accepts is read back as it was."""
    try:
        found = decode_usage(data)
    except ValueError:
        return
    assert decode_usage(encode_usage(found)) == found


def steps(data: bytes) -> None:
    """A record from the meter to the watcher; ValueError is its way to say no."""
    try:
        decode_steps(data)
    except ValueError:
        return


def control(data: bytes) -> None:
    """A record of the compacted topic of controls, as a router reads it."""
    known: dict[bytes, Any] = {}
    _take(known, b"k", data)
    assert all(isinstance(one, dict) for one in known.values())


def query(data: bytes) -> None:
    """The query string of /v1/usage."""
    try:
        found = usage_question(dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True)), NOW / 1000)
    except UsageError:
        return
    assert 0 <= found.first < found.end <= LATEST_MS // 1000


def sql(data: bytes) -> None:
    """A statement, as the engine's parser might print it, before the read-only endpoint."""
    text = data.decode("utf-8", "replace")
    verdict = judge(text, ("file", "url", "remote", "s3"))
    lowered = text.lower()
    if verdict.refusal is None:
        assert lowered.lstrip().startswith(("select", "with", "(", "show", "describe", "exists", "explain", "`"))
    setting_is_harmless(text)
    settled = clamp({"max_execution_time": text}, {"max_execution_time": 60})
    assert 0 < float(settled["max_execution_time"]) <= 60


def lines(data: bytes) -> None:
    """A file of calls, plain or gzip: no byte is lost, and nothing but our own error comes out."""
    got: list[bytes] = []
    try:
        for chunk in read_chunks_of("f", io.BytesIO(data)):
            got += chunk.lines
    except SpendstreamError:
        return
    assert all(line and line != b"\r" and b"\n" not in line and len(line) <= LINE_MAX for line in got)
    if not data.startswith(b"\x1f\x8b"):
        assert got == [line for line in data.split(b"\n") if line and line != b"\r"]
    for line in got[:PARTS_MOST]:
        key_of_line(line)
        time_of_line(line)


def time(data: bytes) -> None:
    """RFC 3339."""
    found = parse_rfc3339(data.decode("utf-8", "replace"))
    assert found is None or isinstance(found, int)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """An operator's file may be refused, with at least one fault, which can be shown."""
    faults = ["accepted"]
    try:
        yield
    except SettingsError as error:
        faults = error.faults
    assert faults
    "".join(faults).encode("utf-8", "surrogateescape")


def settings(data: bytes) -> None:
    """A TOML file of settings, and an environment of its lines."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        file.write(data)
        file.flush()
        with _refusing():
            load_settings({}, Path(file.name))
    pairs = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines()[:20])
    with _refusing():
        load_settings({f"SPENDSTREAM_{name.upper()}": value for name, _, value in pairs})


def _file(parse: Callable[[str], Any]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with _refusing():
            parse(data.decode("utf-8", "replace"))

    run.__doc__ = f"A file of the operator's: {parse}."
    return run


def tokens(data: bytes) -> None:
    """Who may ask a worker: the line and the file."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        file.write(data)
        file.flush()
        for where, line in ((Path(file.name), ""), (None, data.decode("utf-8", "replace"))):
            with _refusing():
                assert load_tokens(where, line, {"TOKEN": "t" * 30}).caller("") is None


def host(data: bytes) -> None:
    """Host and Origin headers."""
    text = data.decode("latin-1")
    if names_loopback(text, "127.0.0.1"):
        assert re.search(r"localhost|127\.|::|0:0:", text.lower())
    is_own_origin(text, "localhost:1")


def body(data: bytes) -> None:
    """Bodies of the repair routes."""
    for model in (_AskedBody, _RetriedBody):
        try:
            _read(data, model)
        except UsageError:
            continue


_FIX = parse_fix(["attempt=2"], ["agent=agent_id"], ["input_tokens"], ["reported_cost"], ["id=@position"])


def repair(data: bytes) -> None:
    """A reject's original, mended; whatever is sent is a call. And an edited export."""
    for fix in (_FIX, Fix()):
        for whole in (True, False):
            found = mend(part_of(data, 0), fix, Place(1, 0, 0, 0), NOW, NOW, whole=whole)
            if isinstance(found, Mended):
                assert len(decode([found.value], [NOW]).calls) == 1
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(UsageError):
        edited(enumerate_lines(text))
    try:
        fix = parse_fix(text.splitlines()[:3], text.splitlines()[3:5])
    except UsageError:
        return
    assert all(not isinstance(value, float) or math.isfinite(value) for _, value in fix.sets)


def enumerate_lines(text: str) -> list[tuple[str, str]]:
    """Lines with their names, at most a hundred."""
    return [(f"f:{number}", line) for number, line in enumerate(text.splitlines()[:100], 1)]


JSON_WORDS = (
    *(json.dumps(name).encode() + b":" for name in Call.model_fields),
    *(b'{"', b"[", b"]", b"}", b",", b"null", b"true", b'""', b"1e999", b"-0", b"\\ud800", b"\\u0000", b"\xef\xbb\xbf"),
    *(
        b"NaN",
        b"0.000000000001",
        b"1" * 400,
        b"[" * 300,
        b"[" * 9_000,
        b'{"a":' * 300,
        b"2025-12-31T12:00:00Z",
        b"1767182400000",
    ),
)
TOML_WORDS = (
    *(
        b"[[price]]",
        b"[[tier]]",
        b"[[plan]]",
        b"[[budget]]",
        b"[[policy]]",
        b"[controls]",
        b" = ",
        b'"',
        b"\n",
        b"[",
        b"{",
    ),
    *(
        b"'''",
        b"2026-01-01",
        b"1e400",
        b"nan",
        b"inf",
        b"9" * 5000,
        b"[" * 2000,
        b"0x",
        b"\\U00110000",
        b"model",
        b"team",
    ),
    *(b"from", b"to", b"usd", b"limit", b"period", b"month", b"scope", b"sha256", b"token", b"env:TOKEN", b"*", b"**"),
)
SQL_WORDS = (
    *(b"SELECT ", b"WITH ", b"file(", b"`file`", b"'", b"`", b"\\", b" FORMAT ", b"INTO OUTFILE", b"--", b"/*", b"*/"),
    *(b"url(", b"FROM ", b"APPLY ", b"(", b")", b";", b"\x00", b"DESCRIBE ", b"values(", b"EXPLAIN "),
)
QUERY_WORDS = (
    *(b"window=", b"1s", b"1m", b"1h", b"from=", b"to=", b"by=", b"none", b"agent_id", b"tier=", b"&", b"%00", b"nan"),
    *(b"inf", b"1e308", b"-1", b"2026-01-01T00:00:00Z", b"+", b"%", b"oss"),
)

TARGETS: dict[str, Target] = {
    one.name: one
    for one in (
        Target("calls", calls, JSON_WORDS, share=5),
        Target("shape", shape, JSON_WORDS, share=3),
        Target("outcomes", outcomes, JSON_WORDS, share=5),
        Target("usage", usage, JSON_WORDS),
        Target("steps", steps),
        Target("control", control, JSON_WORDS),
        Target("query", query, QUERY_WORDS),
        Target("sql", sql, SQL_WORDS),
        Target("lines", lines, (b"\n", b"\r\n", b"\x1f\x8b", b"\0")),
        Target("time", time, (b"T", b"Z", b"+00:00", b"-", b":", b".", b"2026", b"60", b"24", b"99")),
        Target(
            "settings", settings, (*TOML_WORDS, b"broker_url", b"http_port", b"prices_file", b"flush_calls"), share=1
        ),
        Target("prices", _file(lambda text: parse_overrides(text, "f")), TOML_WORDS, share=2),
        Target("tiers", _file(lambda text: parse_tiers(text, "f")), TOML_WORDS, share=3),
        Target("plans", _file(lambda text: parse_plans(text, "f")), TOML_WORDS, share=3),
        Target("budgets", _file(lambda text: parse_budgets(text, "f")), TOML_WORDS, share=3),
        Target(
            "policies",
            _file(lambda text: parse_policies(text, "f", {"TOKEN": "https://127.0.0.1/x"})),
            TOML_WORDS,
            share=3,
        ),
        Target("tokens", tokens, TOML_WORDS, share=2),
        Target("host", host, (b"localhost", b"127.0.0.1", b"[::1]", b":", b"@", b"evil", b".", b"http://", b"%", b"#")),
        Target("body", body, JSON_WORDS),
        Target("repair", repair, JSON_WORDS, share=2),
    )
}
