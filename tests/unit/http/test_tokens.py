"""Who is let in: files, references, and what is said of wrong ones without quoting a secret."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import Settings
from streams.errors import SettingsError
from streams.http.access import access_of
from streams.http.scopes import NOBODY, Caller, needs
from streams.http.tokens import load_tokens

READER = "reader-token-of-48-characters-0123456789abcdef"
ONCALL = "oncall-token-of-48-characters-0123456789abcdef"
HASH = hashlib.sha256(READER.encode()).hexdigest()


def test_a_file_with_hash_environment_and_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(ONCALL + "\n", "utf-8")
    file = tmp_path / "tokens.toml"
    file.write_text(
        f'[prometheus]\nscope = "read"\nsha256 = "{HASH}"\n'
        f'[oncall]\nscope = "control"\ntoken = "file:{tmp_path}/secret"\n'
        '[root]\nscope = "admin"\ntoken = "env:ROOT"\n',
        "utf-8",
    )
    tokens = load_tokens(file, "", {"ROOT": "root-token-of-48-characters-0123456789abcdef"})
    assert tokens.caller(READER) == Caller("prometheus", "read")
    assert tokens.caller(ONCALL) == Caller("oncall", "control")
    assert tokens.caller("root-token-of-48-characters-0123456789abcdef") == Caller("root", "admin")
    for wrong in ("", READER[:-1], READER + "x", HASH, "\udcff"):
        assert tokens.caller(wrong) is None
    assert READER not in repr(tokens)
    assert HASH not in repr(tokens)


def test_one_line_for_containers() -> None:
    tokens = load_tokens(None, f"prometheus:read:sha256:{HASH}, oncall:control:env:ONCALL", {"ONCALL": ONCALL})
    assert [tokens.caller(READER), tokens.caller(ONCALL)] == [Caller("prometheus", "read"), Caller("oncall", "control")]
    assert not load_tokens(None, " ", {})


def test_every_fault_is_said_at_once_and_no_secret_is_quoted(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(
        f'[a]\nscope = "reed"\nsha256 = "{HASH}"\n'
        '[b]\nscope = "read"\n'
        f'[c]\nscope = "read"\ntoken = "{ONCALL}"\n'
        '[d]\nscope = "read"\nsha256 = "12"\ncolour = "red"\n'
        '[e]\nscope = "open"\ntoken = "env:SHORT"\n'
        '[f]\nscope = "read"\ntoken = "env:SHORT"\n'
        '[g]\nscope = "read"\ntoken = "env:NONE"\n'
        '[h]\nscope = "read"\ntoken = "file:/none/such"\n'
        "[i j]\n".replace("[i j]", '["i j"]')
        + 'scope = "read"\ntoken = "env:SHORT"\n'
        f'[k]\nscope = "read"\nsha256 = "{HASH}"\n[l]\nscope = "read"\nsha256 = "{HASH}"\n',
        "utf-8",
    )
    with pytest.raises(SettingsError) as caught:
        load_tokens(file, "half:read,k:read:env:SHORT", {"SHORT": "hunter2"})
    text = "\n".join(caught.value.faults)
    for part in (
        "'a': scope must be one of read, control, admin",
        "'b' needs either sha256",
        "'c': say where the token stands",
        "'d': sha256 must be 64",
        "'d' has no field 'colour'",
        "'e': scope must be",
        "'f' is shorter than 24",
        "the environment has no NONE",
        "/none/such cannot be read",
        "a token's name has letters",
        "'l' is the same token as 'k'",
        "entry 1 must be NAME:SCOPE",
        "'k' is there twice",
    ):
        assert part in text
    assert ONCALL not in text
    assert "hunter2" not in text


@pytest.mark.parametrize("text", ["[a", "a = 1", "\xff"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(text, "latin-1")
    with pytest.raises(SettingsError, match="http_tokens_file"):
        load_tokens(file, "", {})


@given(st.text(max_size=60), st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=60), max_size=3))
def test_any_setting_gives_tokens_or_faults(setting: str, environment: dict[str, str]) -> None:
    with contextlib.suppress(SettingsError):
        tokens = load_tokens(None, setting, environment)
        assert len(tokens.known) <= setting.count(",") + 1
        assert tokens.caller("") is None


def test_scopes_contain_each_other() -> None:
    assert [Caller("x", "control").may(scope) for scope in ("open", "read", "control", "admin")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert not NOBODY.may("read")
    with pytest.raises(ValueError, match="no scope"):
        needs("everything")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_", "fault"),
    [
        ({"http_host": "0.0.0.0"}, "SPENDSTREAM_HTTP_TOKENS_FILE"),
        ({"http_host": "meter.example.org"}, "SPENDSTREAM_HTTP_OPEN"),
        ({"http_tls_key": Path("key.pem")}, "belong together"),
        ({"http_host": "0.0.0.0", "http_tokens": "x"}, "entry 1"),
    ],
)
def test_beyond_loopback_only_with_tokens(given_: dict[str, object], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        access_of(Settings.model_validate(given_), {})


def test_who_may_ask_by_the_settings() -> None:
    assert not access_of(Settings.model_validate({}), {}).tokens
    assert access_of(Settings.model_validate({"http_host": "0.0.0.0", "http_open": True}), {}).open_to_all
    settings = Settings.model_validate({"http_host": "0.0.0.0", "http_tokens": f"a:read:sha256:{HASH}"})
    assert access_of(settings, {}).tokens.caller(READER) == Caller("a", "read")
