"""Settings: precedence, every fault at once, and no secret in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams.config import Settings, load_settings
from streams.errors import SettingsError

SECRET = "hunter2-s3cret"
URL = f"https://user:{SECRET}@host:8443/db"


def faults(environment: dict[str, str], file: Path | None = None, **overrides: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, file, **overrides)
    return caught.value.faults


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spendstream.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_are_valid() -> None:
    settings = load_settings({})
    assert settings.broker_url == "localhost:9092"
    assert settings.clickhouse_url.get_secret_value() == "http://localhost:8123/spendstream"


def test_later_sources_win(tmp_path: Path) -> None:
    file = toml(tmp_path, 'flush_calls = 1\nflush_seconds = 1.5\npartitions = 3\nworker_id = "file"\n')
    environment = {"SPENDSTREAM_FLUSH_CALLS": "2", "SPENDSTREAM_PARTITIONS": "5", "HOME": "/"}
    settings = load_settings(environment, file, partitions=7, worker_id=None)
    found = (settings.flush_seconds, settings.flush_calls, settings.partitions, settings.worker_id)
    assert found == (1.5, 2, 7, "file")


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "partitions = 9")
    assert load_settings({"SPENDSTREAM_CONFIG": str(file)}).partitions == 9
    other = tmp_path / "other.toml"
    other.write_text("partitions = 8", "utf-8")
    assert load_settings({"SPENDSTREAM_CONFIG": str(file)}, other).partitions == 8


def test_the_file_in_an_embedded_directory_is_the_last_that_is_looked_for(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    directory.mkdir()
    assert load_settings({}, directory=directory) == load_settings({})
    toml(directory, 'partitions = 9\nbudgets_file = "budgets.toml"\ndata_dir = "/elsewhere"\n')
    assert f"budgets_file: there is no file {directory / 'budgets.toml'}" in faults({}, directory=directory)[0]
    (directory / "budgets.toml").touch()
    settings = load_settings({}, directory=directory)
    found = (settings.partitions, settings.budgets_file, settings.data_dir)
    assert found == (9, directory / "budgets.toml", Path("/elsewhere"))
    own = directory / "own.toml"
    own.touch()
    named = load_settings({"SPENDSTREAM_BUDGETS_FILE": str(own)}, directory=directory, partitions=7)
    assert (named.partitions, named.budgets_file) == (7, own)
    for file in (
        load_settings({"SPENDSTREAM_CONFIG": str(own)}, directory=directory),
        load_settings({}, own, directory),
    ):
        assert (file.partitions, file.budgets_file) == (4, None)


def test_the_real_environment_is_not_read_behind_our_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPENDSTREAM_PARTITIONS", "11")
    assert load_settings({}).partitions == 4
    assert load_settings().partitions == 11


def test_every_fault_of_every_source_at_once(tmp_path: Path) -> None:
    file = toml(tmp_path, 'flush_second = 1\nlog_level = "loud"\n')
    environment = {
        "SPENDSTREAM_PARTITIONS": "many",
        "SPENDSTREAM_BROKER_URL": "kafka://host",
        "SPENDSTREAM_FLUSH_CALL": "5",
        "SPENDSTREAM_SESSION_TIMEOUT_SECONDS": "1",
    }
    found = faults(environment, file, http_port=70_000)
    text = "\n".join(found)
    assert len(found) == 7
    for part in (
        "flush_second",
        "did you mean flush_seconds?",
        "log_level",
        f"(in {file})",
        "partitions (from SPENDSTREAM_PARTITIONS)",
        "broker_url (from SPENDSTREAM_BROKER_URL)",
        "SPENDSTREAM_FLUSH_CALL: there is no such setting; did you mean flush_calls?",
        "session_timeout_seconds",
        "http_port: Input should be less than or equal to 65535",
    ):
        assert part in text, part


def test_a_file_that_is_missing_broken_or_no_text(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert str(missing) in faults({}, missing)[0]
    assert "spendstream.toml" in faults({}, toml(tmp_path, "a = = 1"))[0]
    raw = tmp_path / "raw.toml"
    raw.write_bytes(b"\xff\xfe")
    assert "raw.toml" in faults({"SPENDSTREAM_PARTITIONS": "0"}, raw)[0]
    assert len(faults({"SPENDSTREAM_PARTITIONS": "0"}, raw)) == 2


def test_operators_files_must_exist(tmp_path: Path) -> None:
    found = "\n".join(faults({"SPENDSTREAM_PRICES_FILE": "/no/prices.toml"}, tiers_file=tmp_path))
    assert "prices_file: there is no file /no/prices.toml" in found
    assert f"tiers_file: there is no file {tmp_path}" in found


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    settings = load_settings({"SPENDSTREAM_CLICKHOUSE_URL": URL})
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert SECRET not in shown
    assert settings.clickhouse_url.get_secret_value() == URL
    bad = faults({"SPENDSTREAM_CLICKHOUSE_URL": URL, "SPENDSTREAM_PARTITIONS": "0"}, toml(tmp_path, f'x = "{SECRET}"'))
    assert SECRET not in "\n".join(bad)
    assert SECRET not in "\n".join(faults({}, toml(tmp_path, f'clickhouse_url = ["{SECRET}"]')))


@pytest.mark.parametrize("name", ["calls_retention_hours", "flush_seconds", "session_timeout_seconds"])
@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0"])
def test_numbers_that_are_none(name: str, text: str) -> None:
    assert name in faults({f"SPENDSTREAM_{name.upper()}": text})[0]


def test_variables_of_other_readers_are_left_alone() -> None:
    load_settings({"SPENDSTREAM_DATA": "/x", "SPENDSTREAM_KILL_POINT": "insert.after"})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).partitions = 5


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("url", ["a:1", "a:1,b:2", "10.0.0.1:9092"])
def test_brokers(url: str) -> None:
    assert load_settings({}, broker_url=url).broker_url == url


@pytest.mark.parametrize("url", ["", "a", "a:1,", "a:b", "http://a:1", "a:1 b:2"])
def test_what_is_no_broker(url: str) -> None:
    assert "broker_url" in faults({}, broker_url=url)[0]
