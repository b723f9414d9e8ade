"""Events of budgets as notices. Pure."""

from __future__ import annotations

from streams.alert.notice import Notice
from streams.budgets.events import Event
from streams.budgets.store import one_of


def notice_of(event: Event) -> Notice:
    """The notice of an event that is told. A burn alert is a subject of its own, which its end resolves."""
    state = event.state
    name = ":".join(part for part in ("budget", state.budget.name, state.value) if part)
    burn = event.kind in {"burning", "calm"}
    subject = f"{name}:burn:{event.mark}:{event.number}" if burn else f"{name}:{state.period.start_ms}"
    return Notice(
        id=event.id,
        subject=subject,
        change=f"crossed_{event.mark}" if event.kind == "crossed" else event.kind,
        severity=event.severity,
        title=event.title,
        body=event.body,
        team_id=one_of(state, "team"),
        tier=one_of(state, "tier"),
        at_ms=state.now_ms,
        labels={
            "kind": "budget",
            "budget": state.budget.name,
            "value": state.value,
            "period": state.period.name,
            "hard": "true" if state.budget.hard else "false",
        },
        resolved=event.kind == "calm",
    )
