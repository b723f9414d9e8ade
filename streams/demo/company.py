"""The simulated company: its teams, the routers they use, and the agents behind them.

Models are names of the price book as routers send them; one is the company's own (`in-house/ledger-reader-8b`), which
no book can price, so that unpriced calls show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["chat", "coding", "retrieval", "classifier", "batch", "cron", "orchestrator"]

TENANT = "northquay"
NAME = "Northquay Ltd"


@dataclass(frozen=True, slots=True)
class Model:
    """A model as a router asks for it. `window`: tokens of context that agents dare to use."""

    provider: str
    name: str
    window: int = 160_000
    caches: bool = False
    """The provider reports prompt-cache reads and writes."""


SONNET = Model("anthropic", "claude-sonnet-4-6", caches=True)
OPUS = Model("anthropic", "claude-opus-4-6", caches=True)
HAIKU = Model("anthropic", "claude-haiku-4-5", caches=True)
GPT5 = Model("openai", "gpt-5.2", caches=True)
GPT5_MINI = Model("openai", "gpt-5-mini")
GPT5_NANO = Model("openai", "gpt-5-nano")
EMBED = Model("openai", "text-embedding-3-small")
GEMINI_PRO = Model("google", "gemini-3-pro-preview")
GEMINI_FLASH = Model("google", "gemini-2.5-flash")
GPT_OSS = Model("groq", "openai/gpt-oss-120b")
KIMI = Model("openrouter", "moonshotai/kimi-k2", window=110_000)
QWEN = Model("openrouter", "qwen/qwen3-235b-a22b", window=110_000)
LLAMA = Model("openrouter", "meta-llama/llama-3.3-70b-instruct")
DEEPSEEK = Model("deepseek", "deepseek-chat", window=60_000)
OWN = Model("vllm", "in-house/ledger-reader-8b")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent. `a_day`: runs on a working day of twelve hours (cron: runs an hour)."""

    agent_id: str
    name: str
    team: str
    router: str
    kind: Kind
    model: Model
    a_day: float
    second: Model | None = None
    """What it escalates to, embeds with or gives to its sub-agents."""
    roles: tuple[str, ...] = ()
    """Sub-agents of an orchestrator."""
    at_hour: float = 0.0
    """Batch: when it starts, UTC hour of day."""
    plan_id: str = ""
    """Flat-rate plan that covers its calls."""
    failing: float = 0.01
    """Share of attempts that fail."""
    tags: tuple[tuple[str, str], ...] = field(default=())


def _coder(who: str, team: str, model: Model, plan: str = "") -> Agent:
    return Agent(f"coder-{who}", f"Coding assistant of {who.title()}", team, "envoy-eng", "coding", model, 7.0,
                 plan_id=plan, failing=0.015)  # fmt: skip


AGENTS: tuple[Agent, ...] = (
    Agent("helpdesk-chat", "Help desk", "support", "litellm-eu", "chat", HAIKU, 420, second=SONNET),
    Agent("order-status", "Where is my order", "support", "litellm-eu", "chat", GEMINI_FLASH, 520, second=GPT5),
    Agent("ticket-triage", "Ticket triage", "support", "litellm-eu", "classifier", GPT_OSS, 9_000),
    Agent("voice-summary", "Call summaries", "support", "litellm-eu", "cron", GPT5_MINI, 12),
    Agent("kb-answers", "Knowledge base", "support", "litellm-eu", "retrieval", GPT5_MINI, 3_000, second=EMBED),
    _coder("ines", "platform", SONNET),
    _coder("tomasz", "platform", OPUS),
    _coder("wei", "platform", GPT5),
    _coder("marit", "platform", SONNET),
    _coder("kofi", "platform", KIMI),
    _coder("lena", "payments", SONNET, "claude-team-flat"),
    _coder("ravi", "payments", SONNET, "claude-team-flat"),
    _coder("joao", "payments", GPT5),
    Agent("pr-review", "Pull request review", "platform", "envoy-eng", "orchestrator", SONNET, 46, second=HAIKU,
          roles=("style", "security", "tests", "api")),
    Agent("ci-medic", "Fixes red builds", "platform", "envoy-eng", "cron", QWEN, 6, failing=0.04),
    Agent("fraud-notes", "Explains fraud scores", "payments", "envoy-eng", "classifier", GPT5_NANO, 5_000),
    Agent("month-close", "Month-end close", "finance", "portkey-fin", "orchestrator", GPT5, 18, second=GPT5_MINI,
          roles=("ledger", "accruals", "intercompany")),
    Agent("invoice-reader", "Reads invoices", "finance", "portkey-fin", "batch", OWN, 1_900, at_hour=8.2),
    Agent("contract-search", "Contract search", "finance", "portkey-fin", "retrieval", GEMINI_FLASH, 900, second=EMBED),
    Agent("lead-scoring", "Scores leads", "growth", "bifrost-us", "batch", LLAMA, 3_200, at_hour=10.4),
    Agent("catalog-enrich", "Product texts", "growth", "bifrost-us", "batch", DEEPSEEK, 2_600, at_hour=14.3),
    Agent("newsletter-draft", "Newsletter drafts", "growth", "bifrost-us", "chat", GPT5_MINI, 90, second=GPT5),
    Agent("price-watch", "Watches competitors", "growth", "bifrost-us", "cron", GEMINI_FLASH, 12, failing=0.05),
    Agent("deep-research", "Market research", "research", "bifrost-us", "orchestrator", GEMINI_PRO, 26,
          second=GEMINI_FLASH, roles=("search", "read", "verify", "write")),
    Agent("paper-digest", "Reads papers", "research", "bifrost-us", "orchestrator", OPUS, 8, second=HAIKU,
          roles=("fetch", "extract", "critique")),
)  # fmt: skip

ROUTERS: tuple[str, ...] = tuple(sorted({agent.router for agent in AGENTS}))

HOURS = (0.05, 0.04, 0.04, 0.04, 0.06, 0.12, 0.35, 0.6, 0.9, 1.1, 1.2, 1.15, 0.75, 0.9, 1.2, 1.25, 1.1, 0.8, 0.5, 0.3,
         0.2, 0.12, 0.08, 0.06)  # fmt: skip
"""How busy people are at each full hour (UTC) against a mean working hour; straight lines between them."""

BUSIEST = max(HOURS)


def busy(at_ms: int) -> float:
    """How busy people are at an instant (epoch ms), as `HOURS`."""
    hour = at_ms / 3_600_000 % 24
    low = int(hour)
    return HOURS[low] + (HOURS[(low + 1) % 24] - HOURS[low]) * (hour - low)
