"""Lists of commands in `--help`: each with its whole first sentence, wrapped and never cut short.

The program's own list has sections, because thirty names in one column tell a newcomer nothing. A command that no
section names stands under the last heading, so that none is ever hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

SECTIONS: Mapping[str, Sequence[str]] = {
    "Begin": ("demo", "replay", "simulate", "worker", "doctor"),
    "Look": ("top", "sql", "report", "export", "dashboards"),
    "Runaways": ("incidents", "controls", "notify", "recheck", "evaluate"),
    "Money": ("prices", "plans", "budgets", "forecast", "close", "outcomes", "escalations", "savings"),
    "Operate": ("audit", "rejects", "rebuild", "migrate", "token", "bench"),
}
FURTHER = "Further commands"

_WHOLE = 10_000
"""Characters that a first sentence may have; more than any has."""


class Overview(click.Group):
    """A group that says of each command what its first sentence says."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list, in click's order."""
        _write(self, ctx, formatter, {"Commands": self.list_commands(ctx)})


class Sections(click.Group):
    """The same in sections: those of `SECTIONS` in their order, then what none of them names."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Sections without a command are left out."""
        names = self.list_commands(ctx)
        _write(self, ctx, formatter, sections_of(names))


def sections_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Each of `names` under one heading; headings without a name are absent."""
    left = list(names)
    placed = {title: [name for name in section if name in left] for title, section in SECTIONS.items()}
    known = {name for section in SECTIONS.values() for name in section}
    placed[FURTHER] = [name for name in left if name not in known]
    return {title: section for title, section in placed.items() if section}


def _write(
    group: click.Group, ctx: click.Context, formatter: click.HelpFormatter, sections: Mapping[str, Sequence[str]]
) -> None:
    for title, names in sections.items():
        found = [(name, group.get_command(ctx, name)) for name in names]
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in found if command and not command.hidden]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
