"""The tier map: explicit first, the operator's file next, the shipped lists last, and `unknown` rather than a guess."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.meter.price import load_book
from streams.meter.tiers import TIERS, TierMap, load_tiers, parse_tiers, shipped_rules

MAP = load_tiers()


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("anthropic", "claude-opus-4-5-20251101", "frontier"),
        ("anthropic", "claude-3-5-sonnet", "frontier"),
        ("anthropic", "claude-haiku-4-5-20251001", "mid"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", "frontier"),
        ("openrouter", "anthropic/claude-3-haiku", "mid"),
        ("openai", "gpt-4o", "frontier"),
        ("openai", "gpt-4o-mini", "mid"),
        ("openai", "GPT-5.4-nano", "mid"),
        ("openai", "o3", "mid"),
        ("openai", "o3-pro", "frontier"),
        ("openai", "gpt-3.5-turbo", "mid"),
        ("openai", "text-davinci-002", "frontier"),
        ("other", "google/gemini-3-pro-preview", "frontier"),
        ("google", "models/gemini-2.5-flash", "mid"),
        ("groq", "openai/gpt-oss-120b", "oss"),
        ("deepseek", "deepseek-r1", "oss"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "oss"),
        ("other", "kimi", "unknown"),
        ("aliyun", "qwen-m-large", "unknown"),
        ("other", "unknown", "unknown"),
        (None, "", "unknown"),
    ],
)
def test_shipped_lists(provider: str | None, model: str, tier: str) -> None:
    """Well-known models by the names that routers send."""
    assert MAP.tier(provider, model) == tier


NOT_TEXT = re.compile(
    "tts|image|audio|realtime|live|transcribe|robotics|omni|banana|computer|moderation|whisper|embedding|davinci|chat-latest|-v1$"
)


@pytest.mark.parametrize("maker", ["anthropic", "openai", "google", "x-ai"])
def test_shipped_lists_follow_their_stated_rule(maker: str) -> None:
    """Closed text models: frontier from 10 USD per million output tokens at the latest list price, mid below."""
    book = load_book()
    checked = 0
    for model in book._shelves[maker].models:
        found = book.find(maker, model.id)
        if (
            found is None
            or found.model != model.id
            or NOT_TEXT.search(model.id)
            or "oss" in model.id
            or "gemma" in model.id
        ):
            continue
        bands = book.sheet(found).periods[-1].bands
        if not bands or not bands[0].rates.output:
            continue
        usd = bands[0].rates.output / 10**6
        assert MAP.tier(maker, model.id) == ("frontier" if usd >= 10 else "mid"), (model.id, float(usd))
        checked += 1
    assert checked >= 15


def test_what_the_router_says_wins_then_the_model_that_answered() -> None:
    """One code a call."""
    codes = MAP.tiers(
        ["mid", None, None, None],
        ["openai", "openai", "openai", "x"],
        ["gpt-4o", "gpt-4o", "gpt-4o", "x"],
        [None, None, "gpt-4o-mini", None],
    )
    assert [TIERS[code] for code in codes] == ["mid", "frontier", "mid", "unknown"]
    assert len(MAP.tiers([], [], [], [])) == 0


def test_the_operators_file_comes_first(tmp_path: Path) -> None:
    """A pattern, a provider, and the shipped lists for the rest."""
    path = tmp_path / "tiers.toml"
    path.write_text(
        '[[tier]]\ntier = "oss"\nmodels = ["gpt-4o"]\nprovider = "Aliyun"\n'
        '[[tier]]\ntier = "mid"\nmodels = ["qwen-m-*"]\n',
        encoding="utf-8",
    )
    tiers = load_tiers(path)
    assert tiers.tier("aliyun", "gpt-4o") == "oss"
    assert tiers.tier("openai", "gpt-4o") == "frontier"
    assert tiers.tier("aliyun", "Qwen-M-Large") == "mid"


def test_every_fault_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    """Wrong tier, no models, unknown key; then the same pattern twice."""
    text = '[[tier]]\ntier = "best"\nmodels = ["a"]\n[[tier]]\ntier = "oss"\nmodels = []\nmodel = "b"\n'
    with pytest.raises(SettingsError) as caught:
        parse_tiers(text, "tiers.toml")
    assert {fault.split(": ")[1] for fault in caught.value.faults} == {"tier 1.tier", "tier 2.models", "tier 2.model"}
    twice = '[[tier]]\ntier = "oss"\nmodels = ["a", "b"]\n[[tier]]\ntier = "mid"\nmodels = ["A", "B"]\n'
    with pytest.raises(SettingsError) as caught:
        parse_tiers(twice, "tiers.toml")
    assert len(caught.value.faults) == 2
    with pytest.raises(SettingsError, match="is not TOML"):
        parse_tiers("[[", "tiers.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_tiers(tmp_path / "absent.toml")


def test_memory_is_bounded() -> None:
    """A flood of names costs no more than the cap allows."""
    tiers = TierMap(shipped_rules(), cap=50)
    for batch in range(40):
        names = [f"m{batch}-{at}" for at in range(50)]
        tiers.tiers([None] * 50, [None] * 50, names, [None] * 50)
        assert len(tiers._names) <= 100


@given(st.none() | st.text(max_size=20), st.text(max_size=60), st.none() | st.text(max_size=60))
def test_any_text_has_a_tier_and_the_column_agrees(provider: str | None, model: str, answered: str | None) -> None:
    """No name raises; one by one and in a column the answer is the same."""
    alone = MAP.tier(provider, model, answered)
    assert TIERS[MAP.tiers([None], [provider], [model], [answered])[0]] == alone
