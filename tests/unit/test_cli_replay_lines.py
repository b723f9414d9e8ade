"""Files to raw lines: what is in them, never what their names say; and lines to keys, times and due times."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import parse_time
from streams.errors import SpendstreamError, UsageError
from streams.replay import lines as lines_module
from streams.replay.keys import key_of_line, time_of_line
from streams.replay.lines import check_sources, read_chunks, read_chunks_of
from streams.replay.pace import Pace
from streams.replay.shuffle import shuffled

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=30)


class Trickle(io.BytesIO):
    """A file that gives at most `most` bytes a read, as pipes do."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._most, size) if size and size > 0 else self._most)


def read(data: bytes, most: int = 1 << 20) -> list[bytes]:
    """All lines of a file with this content."""
    return [line for chunk in read_chunks_of("file", Trickle(data, most)) for line in chunk.lines]


@given(LINES, st.integers(1, 50), st.booleans())
def test_lines_come_out_as_they_went_in(lines: list[bytes], most: int, ends: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ends else b"")
    if data.startswith(b"\x1f\x8b"):
        return
    assert read(data, most) == [line for line in lines if line not in {b"", b"\r"}]


@given(LINES, LINES, st.integers(1, 50))
def test_gzip_in_several_members_is_one_text(first: list[bytes], second: list[bytes], most: int) -> None:
    one, two = b"\n".join(first), b"\n".join(second)
    data = gzip.compress(one) + gzip.compress(b"\n" + two) + b"\0" * 7
    assert read(data, most) == [line for line in [*first, *second] if line not in {b"", b"\r"}]


def test_a_small_step_of_gzip_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "INFLATE_BYTES", 100)
    lines = [b"x" * 997, b"y" * 3, b"z" * 5000]
    assert read(gzip.compress(b"\n".join(lines))) == lines


def test_a_line_of_blanks_is_a_line() -> None:
    assert read(b"a\n\n\r\n  \nb") == [b"a", b"  ", b"b"]


@pytest.mark.parametrize("cut", [1, 9, 200])
def test_a_gzip_file_that_is_cut_off_says_so(cut: int) -> None:
    data = gzip.compress(b"\n".join(b'{"id": %d}' % number for number in range(1000)), 1)
    with pytest.raises(SpendstreamError, match="cut off"):
        read(data[:-cut], 100)


def test_damaged_gzip_says_where() -> None:
    with pytest.raises(SpendstreamError, match=r"file: the gzip data is damaged near byte"):
        read(b"\x1f\x8b\x08" + b"\0" * 7 + b"\x07")  # a block of a type that there is not


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LINE_MAX", 100)
    with pytest.raises(SpendstreamError, match="line 2 is longer"):
        read(b"first\n" + b"x" * 1000, 50)


def test_the_first_bytes_decide_not_the_name(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.gz", tmp_path / "b.jsonl"
    plain.write_bytes(b"one\n")
    packed.write_bytes(gzip.compress(b"two\n"))
    found = [line for path in (plain, packed) for chunk in read_chunks(str(path)) for line in chunk.lines]
    assert found == [b"one", b"two"]
    assert check_sources([str(plain), str(packed)]) == plain.stat().st_size + packed.stat().st_size
    assert check_sources([str(plain), "-"]) is None


def test_bytes_read_add_up_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(b"line\n" * 200_000))
    assert sum(chunk.bytes_read for chunk in read_chunks(str(path))) == path.stat().st_size


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        check_sources([str(tmp_path / "one"), str(tmp_path), str(tmp_path / "two")])
    assert str(error.value).count("\n") == 3
    with pytest.raises(UsageError, match=r"(?s)one: No such file.*makes some$"):
        check_sources([str(tmp_path / "one")], when_missing="makes some")
    with pytest.raises(UsageError) as other:
        check_sources([str(tmp_path)], when_missing="makes some")
    assert "makes some" not in str(other.value)
    with pytest.raises(UsageError, match="only once"):
        check_sources(["-", "-"])


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"run_id": "r", "agent_id": "a"}', b"r"),
        (b'{"run_id": "", "agent_id": "a"}', b"a"),
        (b'{"run_id": null, "agent_id": "\\u00e9"}', "é".encode()),
        (b'{"x": {"run_id": "inner"}, "agent_id": "a"}', b"a"),
        (b' [{"agent_id": "first"}, {"agent_id": "second"}]', b"first"),
        (b"[]", None),
        (b"{}", None),
        (b'{"run_id": 5, "agent_id": "a"}', None),
        (b'{"agent_id": "\\ud800"}', None),
        (b'{"agent_id": "a"', None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_keys(line: bytes, key: bytes | None) -> None:
    assert key_of_line(line) == key


@given(st.binary(max_size=60))
def test_no_line_is_too_odd_for_key_and_time(line: bytes) -> None:
    key_of_line(line)
    time_of_line(line)


@pytest.mark.parametrize("time", ["2026-03-02T00:00:00.123Z", "2026-03-02T01:00:00+01:00", 1_772_409_600_000])
def test_times_are_the_contracts(time: str | int) -> None:
    assert time_of_line(json.dumps({"time": time}).encode()) == parse_time(time)


@pytest.mark.parametrize("line", [b'{"time": "noon"}', b'{"time": 1.5}', b"{}", b"nothing"])
def test_a_line_without_a_time_is_due_now(line: bytes) -> None:
    assert Pace(60).due(time_of_line(line), 0.0) == 0.0


def test_pace_follows_event_time() -> None:
    pace = Pace(60)
    assert pace.due(1_000_000, 50.0) == 0
    assert pace.due(1_060_000, 50.0) == pytest.approx(1.0)
    assert pace.due(1_060_000, 50.75) == pytest.approx(0.25)
    assert pace.due(1_060_000, 99.0) == 0
    assert pace.due(500_000, 60.0) == 0
    pace.begin_file()
    assert pace.due(9_000_000, 70.0) == 0
    assert pace.due(9_006_000, 70.0) == pytest.approx(0.1)


@given(LINES, st.integers(0, 5))
def test_shuffling_keeps_every_line_and_repeats_with_the_seed(lines: list[bytes], seed: int) -> None:
    data = b"\n".join(lines)
    if data.startswith(b"\x1f\x8b"):
        return

    def mixed(seed: int) -> list[bytes]:
        return [line for chunk in shuffled(read_chunks_of("f", io.BytesIO(data)), seed) for line in chunk.lines]

    assert sorted(mixed(seed)) == sorted(read(data))
    assert mixed(seed) == mixed(seed)


def test_shuffling_shuffles() -> None:
    data = b"\n".join(b"%d" % number for number in range(20_000))
    mixed = [line for chunk in shuffled(read_chunks_of("f", io.BytesIO(data)), 1) for line in chunk.lines]
    assert mixed != read(data)
    assert set(mixed) == set(read(data))
