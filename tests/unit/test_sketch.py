"""What is kept of bytes that do not parse: shape and ids, never running text."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.call import Call
from streams.meter.sketch import MASK, sketch

NAMES = frozenset(Call.model_fields)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"id": "a-1", "agent_id": "a/7", "messages": "tell me a secret", "input_tokens": 12',
         '{"id": "a-1", "agent_id": "a/7", "…": "…", "input_tokens": 12'),
        ("{'id': 'a-1', 'prompt': 'tell me'}", "{'id': 'a-1', '…': '…'}"),
        ("tell me a secret", MASK),
        ('{"id": "two words"}', '{"id": "…"}'),
        ('{"agent_id": "cut off here', '{"agent_id": "…'),
        ('{"id": {"prompt": "secret"}}', '{"id": {"…": "…"}}'),
        ('["secret", 12, true, null]', '["…", …, true, null]'),
        ('{"tags": "secret words", "x": "id", "status": ok}', '{"tags": "…", "…": "id", "status": …}'),
        ("", ""),
    ],
)  # fmt: skip
def test_examples(text: str, kept: str) -> None:
    assert sketch(text, NAMES) == kept


SECRET = "planted words of a prompt"


@given(st.text(), st.text(), st.sampled_from(["messages", "prompt", "response", "x"]))
@example('{"id": "', '"}', "messages")
def test_text_in_an_unknown_field_is_never_kept(before: str, after: str, name: str) -> None:
    for text in (before + SECRET + after, before + json.dumps({name: SECRET}) + after, SECRET + before):
        assert SECRET not in sketch(text, NAMES)


@given(st.text())
def test_it_is_total_and_no_longer(text: str) -> None:
    assert len(sketch(text, NAMES)) <= max(len(text), 3 * text.count('"') + 3 * text.count("'") + len(text))
