"""Exit codes and messages, what standard output may carry, and what the command line imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from streams.cli import main as main_module
from streams.cli.commands.sql import _drawn
from streams.cli.main import CommandFolder, group, run
from streams.cli.output import one_json, result_only
from streams.cli.reach import HttpLedger, parameter, reach
from streams.config import Settings
from streams.errors import LedgerError, NotPossible, SettingsError, SpendstreamError, Unavailable, UsageError


def raising(error: BaseException) -> click.Command:
    """A command that ends so."""

    @click.command("probe")
    def command() -> None:
        raise error

    return command


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Callable[[click.Command], None]:
    """Make a command the only one, named `probe`."""

    def use(command: click.Command) -> None:
        monkeypatch.setattr(CommandFolder, "list_commands", lambda *_: ["probe"])
        monkeypatch.setattr(CommandFolder, "get_command", lambda _, __, name: command if name == "probe" else None)

    return use


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("no such thing"), 2, "spendstream: no such thing\n"),
        (SettingsError(["a: wrong", "b: wrong too"]), 2, "  - a: wrong\n  - b: wrong too\n"),
        (NotPossible("no worker runs"), 1, "spendstream: no worker runs\n"),
        (SpendstreamError("broken"), 1, "spendstream: broken\n"),
        (LedgerError("refused"), 1, "spendstream: refused\n"),
        (Unavailable("away"), 1, "spendstream: away\n"),
        (click.UsageError("odd"), 2, "odd"),
        (click.ClickException("bad"), 1, "bad"),
        (KeyboardInterrupt(), 1, "stopped"),
        (KeyError("inner"), 1, "unexpected KeyError: 'inner' (`spendstream --debug probe` shows where)\n"),
    ],
)
def test_every_error_is_a_line_and_a_code(
    probe: Callable[[click.Command], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    probe(raising(error))
    assert run(["probe"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback(probe: Callable[[click.Command], None], capsys: pytest.CaptureFixture[str]) -> None:
    probe(raising(KeyError("inner")))
    assert run(["--debug", "probe"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_command_that_ends_well_or_says_otherwise(probe: Callable[[click.Command], None]) -> None:
    @click.command("probe")
    @click.argument("code", type=int)
    @click.pass_context
    def command(ctx: click.Context, /, code: int) -> None:
        ctx.exit(code)

    probe(command)
    assert run(["probe", "0"]) == 0
    assert run(["probe", "1"]) == 1


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["sql", "--nonsense"], ["replay"]])
def test_wrong_usage_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage:" in err


def test_a_near_miss_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replya"]) == 2
    assert "Did you mean 'replay'?" in capsys.readouterr().err


def test_every_command_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(group)
    names = group.list_commands(context)
    assert {"audit", "migrate", "replay", "sql", "worker"} <= set(names)
    for name in names:
        assert run([name, "--help"]) == 0
        assert "Example" in capsys.readouterr().out, name


def test_settings_are_listed_with_their_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["worker", "--help"]) == 0
    said = capsys.readouterr().out
    assert "SPENDSTREAM_FLUSH_SECONDS" in said
    assert f"[{Settings.model_fields['flush_seconds'].default}]" in said


@pytest.mark.parametrize("name", ["prices", "tiers", "plans", "budgets"])
def test_a_worker_takes_the_operators_files_as_options(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.toml"
    assert run(["worker", f"--{name}-file", str(missing)]) == 2
    assert f"{name}_file: there is no file {missing}" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from streams.cli.main import run; code = run(['--help']); "
        "heavy = {'chdb', 'pyarrow', 'faust', 'clickhouse_connect', 'aiokafka', 'pydantic', 'rich'}; "
        "heavy &= set(sys.modules); "
        "print(sorted(heavy), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "replay" in done.stdout


def test_a_command_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "two_words.py").write_text("")
    monkeypatch.setattr(main_module, "_COMMANDS", tmp_path)
    assert group.list_commands(click.Context(group)) == ["two-words"]


def test_only_results_reach_standard_output() -> None:
    script = (
        "import os\nfrom streams.cli.output import result_only\n"
        "with result_only() as say:\n    print('noise'); os.write(1, b'more noise\\n'); say('result')\nprint('after')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "result\nafter\n"
    assert done.stderr == "noise\nmore noise\n"


def test_results_are_not_said_after_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> None:
        with result_only() as say:
            say(one_json({"half": 1}))
            raise LedgerError("then it broke")

    with pytest.raises(LedgerError):
        failing()
    assert capsys.readouterr().out == ""


def test_json_is_strict() -> None:
    assert one_json({"a": "é", "b": [1, None]}) == '{"a": "é", "b": [1, null]}'
    with pytest.raises(ValueError, match="Out of range"):
        one_json({"a": float("nan")})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\tb\\", "a\\tb\\\\"),
        (5, "5"),
        (["a'b", "c\\"], "['a\\'b','c\\\\']"),
        ([1, 2], "[1,2]"),
        ("\n\r\0", "\\n\\r\\0"),
    ],
)
def test_parameters_are_written_as_the_engine_reads_them(value: object, written: str) -> None:
    assert parameter(value) == written


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer"):
        HttpLedger("http://user:secret@127.0.0.1:1/db").rows("SELECT 1")


@pytest.mark.parametrize("url", ["ftp://x/y", "nonsense", "http://"])
def test_what_is_no_url_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError), reach(None, url):
        pass


def test_a_directory_without_a_ledger_is_wrong_usage_and_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger in"), reach(tmp_path / "none", ""):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_one_line_a_row() -> None:
    drawn = _drawn(["name", "cost"], [["[bold]x[/bold]" + "y" * 300, "1.50"], [None, "10"]])
    lines = drawn.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("[bold]x[/bold]y")
    assert lines[2].split() == ["NULL", "10"]
    assert lines[3] == "(2 rows)"
