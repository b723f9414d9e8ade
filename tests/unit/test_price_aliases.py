"""Names as routers send them: to the right seller, or to no price at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.meter.price import STATUSES, load_aliases, load_book
from streams.meter.price.book import Listing

BOOK, ALIASES = load_book(), load_aliases()
AWS_4 = "aws/regional.anthropic.claude-sonnet-4-20250514-v1:0"
AWS_35 = "aws/regional.anthropic.claude-3-5-sonnet-20241022-v2:0"

SOLD = [
    # OpenRouter
    ("other", "google/gemini-3-pro-preview", None, "google/gemini-3-pro-preview"),
    ("openrouter", "google/gemini-3-pro-preview", None, "google/gemini-3-pro-preview"),
    (None, "openrouter/google/gemini-3-pro-preview", None, "google/gemini-3-pro-preview"),
    ("openrouter", "openrouter/anthropic/claude-sonnet-4", None, "openrouter/anthropic/claude-sonnet-4"),
    ("openrouter", "anthropic/claude-sonnet-4:beta", None, "openrouter/anthropic/claude-sonnet-4"),
    ("openrouter", "deepseek/deepseek-r1:free", None, "openrouter/deepseek/deepseek-r1:free"),
    ("unknown", "anthropic/claude-sonnet-4.5", None, "openrouter/anthropic/claude-sonnet-4.5"),
    ("unknown", "anthropic/claude-opus-4.6-fast", None, "openrouter/anthropic/claude-opus-4.6-fast"),
    ("other", "openai/gpt-4o", None, "openai/gpt-4o"),
    ("other", "x-ai/grok-4", None, "x-ai/grok-4-0709"),
    ("openai", "anthropic/claude-sonnet-4", None, "anthropic/claude-sonnet-4-0"),  # OpenAI's SDK at another server
    # LiteLLM
    ("litellm", "bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0", None, AWS_4),
    (None, "bedrock/converse/anthropic.claude-3-5-sonnet-20241022-v2:0", None, AWS_35),
    (None, "vertex_ai/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
    (None, "vertex_ai/claude-sonnet-4@20250514", None, "google/claude-4-sonnet"),
    (None, "azure/gpt-4o", None, "openai/gpt-4o"),
    (None, "azure/global/gpt-4o", None, "openai/gpt-4o"),
    (None, "gemini/gemini-2.5-flash", None, "google/gemini-2.5-flash"),
    ("gemini", "gemini/gemini-2.5-flash", None, "google/gemini-2.5-flash"),
    (None, "openai/gpt-4o-2024-08-06", None, "openai/gpt-4o"),
    (None, "groq/llama-3.3-70b-versatile", None, "groq/llama-3.3-70b-versatile"),
    ("anthropic", "anthropic/claude-opus-4-5-20251101", None, "anthropic/claude-opus-4-5"),
    # OpenTelemetry
    ("gcp.gemini", "models/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
    ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
    ("gcp.gen_ai", "gemini-2.5-pro", None, "google/gemini-2.5-pro"),
    ("aws.bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0", None, AWS_4),
    ("azure.ai.openai", "gpt-4o", None, "openai/gpt-4o"),
    ("az.ai.openai", "gpt-4o", None, "openai/gpt-4o"),
    ("azure.ai.inference", "gpt-4o", None, "openai/gpt-4o"),
    ("x_ai", "grok-4", None, "x-ai/grok-4-0709"),
    ("mistral_ai", "mistral-large-latest", None, "mistral/mistral-large"),
    ("deepseek", "deepseek-r1", None, "deepseek/deepseek-reasoner"),
    ("groq", "llama-3.3-70b-versatile", None, "groq/llama-3.3-70b-versatile"),
    ("perplexity", "sonar-pro", None, "perplexity/sonar-pro"),
    ("Google Vertex", "GEMINI-2.5-PRO", None, "google/gemini-2.5-pro"),
    ("github_copilot", "gpt-4o", None, "github-copilot/gpt-4o"),
    # bare names of one maker
    (None, "claude-3-5-sonnet", None, "anthropic/claude-3-5-sonnet"),
    ("other", "gpt-4o", None, "openai/gpt-4o"),
    ("openai", "ft:gpt-4o-2024-08-06:acme::abc", None, "openai/ft:gpt-4o"),
    # the model that answered is billed
    ("openai", "gpt-4o", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
    ("other", "team/smart", "claude-opus-4-5-20251101", "anthropic/claude-opus-4-5"),
    (None, "openrouter/auto", "openai/gpt-4o", "openai/gpt-4o"),
    (None, "azure/gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o"),
    (None, "vertex_ai/gemini-2.5-pro", "gemini-2.5-pro", "google/gemini-2.5-pro"),
    (None, "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", "", AWS_35),
]  # fmt: skip

UNSOLD = [
    ("aliyun", "qwen-m-large", None, "unknown_provider"),
    ("other", "kimi", None, "unknown_seller"),
    ("other", "unknown", None, "unknown_seller"),
    ("my-openai-gateway", "gpt-4o", None, "unknown_provider"),
    # open weights: every host has its own price
    ("other", "deepseek/deepseek-r1", None, "unknown_seller"),
    ("other", "meta-llama/llama-3.3-70b-instruct", None, "unknown_seller"),
    ("other", "google/gemma-3-27b-it", None, "unknown_seller"),
    ("other", "openai/gpt-oss-120b", None, "unknown_seller"),
    (None, "deepseek-r1", None, "unknown_seller"),
    (None, "gpt-oss-120b", None, "unknown_seller"),
    (None, "llama-3.3-70b-versatile", None, "unknown_seller"),
    # suffixes that change the price, or the host
    ("openrouter", "anthropic/claude-sonnet-4:online", None, "unknown_model"),
    ("openrouter", "google/gemini-3-pro-preview:free", None, "unknown_model"),
    ("openrouter", "deepseek/deepseek-r1:nitro", None, "unknown_model"),
    ("other", "google/gemini-2.5-pro:free", None, "unknown_seller"),
    ("google", "gemini-2.5-pro:floor", None, "unknown_model"),
    # a name that the book only takes in by a pattern, or that OpenRouter sells at another price
    ("other", "cohere/command-r", None, "unknown_seller"),
    ("other", "google/gemini-3.8-flash", None, "unknown_seller"),
    ("other", "anthropic/claude-opus-4-6-turbo", None, "unknown_seller"),
    (None, "claude-opus-4-6-turbo", None, "unknown_seller"),
    ("openrouter", "google/gemini-3-pro-preview-unheard-of", None, "unknown_model"),
    # a dearer deployment, a contradicted provider, an own deployment name
    (None, "azure/eu/gpt-4o", None, "unknown_seller"),
    ("anthropic", "openai/gpt-4o", None, "unknown_model"),
    ("azure", "our-deployment", None, "unknown_model"),
    # the router fell back to something that has no price: not charged as what was asked
    ("openai", "gpt-4o", "qwen-m-large", "unknown_model"),
    ("other", "openai/gpt-4o", "qwen-m-large", "unknown_seller"),
]


@pytest.mark.parametrize(("provider", "model", "answered", "expected"), SOLD)
def test_leads_to_the_seller(provider: str | None, model: str, answered: str | None, expected: str) -> None:
    """Names of OpenRouter, LiteLLM and OpenTelemetry."""
    found = ALIASES.resolve(BOOK, provider, model, answered)
    assert isinstance(found, Listing), STATUSES[found]
    assert f"{found.provider}/{found.model}" == expected


@pytest.mark.parametrize(("provider", "model", "answered", "expected"), UNSOLD)
def test_a_wrong_price_is_worse_than_none(
    provider: str | None, model: str, answered: str | None, expected: str
) -> None:
    """Names that do not say what was paid stay unpriced, with a reason."""
    found = ALIASES.resolve(BOOK, provider, model, answered)
    assert not isinstance(found, Listing), found
    assert STATUSES[found] == expected


def test_every_alias_leads_into_the_book() -> None:
    """A renamed provider in a new genai-prices must not silently disable an alias."""
    data = ALIASES.data
    books = {entry.book for entry in (*data.seller, *data.vendor)} | {entry.book for entry in (*data.bare, *data.path)}
    assert books <= BOOK.provider_ids
    for gone in data.no_price:
        assert BOOK.find(gone.provider, gone.model) is not None
    for prefix in data.generic.prefixes:
        assert ALIASES.seller(BOOK, prefix) is not None


def test_an_inferred_seller_never_contradicts_openrouter() -> None:
    """Every name of OpenRouter's book, sent without a provider: the same price as there, or none."""
    listed = 0
    for name in BOOK._shelves["openrouter"].named:
        ours, theirs = ALIASES.resolve(BOOK, "other", name, None), BOOK.find("openrouter", name)
        assert theirs is not None
        if isinstance(ours, Listing):
            mine, router = (BOOK.sheet(found).periods[-1].bands[0].rates for found in (ours, theirs))
            assert (mine.input, mine.output) == (router.input, router.output), name
            listed += 1
    assert listed > 200


@given(st.none() | st.text(max_size=30), st.text(max_size=60), st.none() | st.text(max_size=60))
def test_any_text_is_answered(provider: str | None, model: str, answered: str | None) -> None:
    """No name raises, and the answer is a listing of the book or a reason."""
    found = ALIASES.resolve(BOOK, provider, model, answered)
    assert isinstance(found, Listing) or 2 <= found < len(STATUSES)


def test_deep_paths_end() -> None:
    """Names of nested prefixes are cut off, not walked for ever."""
    found = ALIASES.resolve(BOOK, None, "bedrock/" * 5_000 + "x", None)
    assert not isinstance(found, Listing)
    assert np.uint8(found) < len(STATUSES)
