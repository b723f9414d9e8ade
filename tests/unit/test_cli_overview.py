"""Every command stands in the program's help once, under a heading, with its whole first sentence."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from streams.cli.main import group
from streams.cli.overview import FURTHER, SECTIONS, Overview, sections_of


def names() -> list[str]:
    return group.list_commands(click.Context(group))


def test_sections_hold_every_command_once() -> None:
    listed = [name for section in SECTIONS.values() for name in section]
    assert sorted(listed) == sorted(names())


def test_a_command_that_no_section_names_is_not_hidden() -> None:
    assert sections_of(["demo", "novelty"]) == {"Begin": ["demo"], FURTHER: ["novelty"]}


@pytest.mark.parametrize("arguments", [[], *([name] for name in names())], ids=lambda words: " ".join(words) or "all")
def test_no_list_of_commands_is_cut_short(arguments: list[str]) -> None:
    answer = CliRunner().invoke(group, [*arguments, "--help"], terminal_width=80)
    assert answer.exit_code == 0
    shown = " ".join(answer.output.split())
    command = group.get_command(click.Context(group), arguments[0]) if arguments else group
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        assert f"{name} {inner.get_short_help_str(10_000)}" in shown


def test_words_are_whole_in_a_narrow_terminal() -> None:
    @click.group("probe", cls=Overview)
    def probe() -> None:
        """A probe."""

    @probe.command("long")
    def long() -> None:
        """One sentence that is much longer than the few columns which a narrow terminal has to show it. Another."""

    shown = " ".join(CliRunner().invoke(probe, ["--help"], terminal_width=40).output.split())
    assert "which a narrow terminal has to show it." in shown
    assert "Another" not in shown
