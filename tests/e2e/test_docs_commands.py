"""Every command in README.md and docs/*.md.

A block ```console is run: lines with `$ ` are commands, in bash, in order, all of one document in one fresh directory
that holds `calls.jsonl` (the reader's own calls). Each must end with 0, or with N where the block says `exit=N`. Lines
below a command are what it prints, as far as they are given, in that order; `…` stands for anything, alone on a line
for any number of lines. `server` gives it the addresses of a running system, as settings.

A block ```sh needs what is not here (servers, an engine, the reader's own files): its syntax is checked, and each
`spendstream` and `make` in it must be a command with these options.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from streams.cli.main import group
from streams.embedded.system import RETENTION_HOURS
from tests.e2e.command import Running, environment
from tests.fakes import BASE_MS, call

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
PATIENCE_S = 180
DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Command:
    """One command and the lines that the document shows below it."""

    line: int
    text: str
    printed: tuple[str, ...]
    modes: frozenset[str]

    @property
    def exit_code(self) -> int:
        return next((int(mode.removeprefix("exit=")) for mode in self.modes if mode.startswith("exit=")), 0)


def blocks(path: Path, language: str) -> Iterator[tuple[int, frozenset[str], list[str]]]:
    """(first line, modes, lines) of each block of a language."""
    inside: tuple[int, frozenset[str], list[str]] | None = None
    opened = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fence = re.fullmatch(r"```(\w*)\s*(.*)", line)
        if fence is None:
            if inside is not None:
                inside[2].append(line)
        elif opened:
            if inside is not None:
                yield inside
            inside, opened = None, False
        else:
            opened = True
            if fence[1] == language:
                inside = (number + 1, frozenset(fence[2].split()), [])
    assert not opened, f"{path.name}: a block is not closed"


def commands(path: Path) -> list[Command]:
    """All commands of ```console blocks."""
    found: list[Command] = []
    for first, modes, lines in blocks(path, "console"):
        at = 0
        while at < len(lines):
            assert lines[at].startswith("$ "), f"{path.name}:{first + at}: a console block begins with a command"
            start, text = at, lines[at][2:]
            while text.endswith("\\"):
                at += 1
                text = text[:-1] + lines[at].removeprefix("> ")
            at += 1
            printed = []
            while at < len(lines) and not lines[at].startswith("$ "):
                printed.append(lines[at])
                at += 1
            found.append(Command(first + start, text, tuple(printed), modes))
    return found


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether a document's lines are found in the output, one after the other."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + ".*\n" for line in shown
    )
    return re.search("(?m)^" + pattern, printed.rstrip("\n") + "\n") is not None


def some_calls() -> str:
    """A reader's calls: two months, teams, a model without a price."""
    january = BASE_MS - 60 * DAY_MS  # 2026-01-01
    lines = []
    for at in range(200):
        time_ms = january - 20 * DAY_MS + at * DAY_MS // 4
        fields = {"time": time_ms, "team_id": ("search", "support")[at % 2], "run_id": f"run-{at // 10}"}
        if at % 50 == 0:
            fields |= {"request_model": "in-house-7b", "provider_name": "in-house"}
        lines.append(json.dumps(call(f"doc-{at}", **fields)))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], dict[str, str]]]:
    """Starts a system when it is first asked for; gives the settings that reach it."""
    started: list[tuple[Running, dict[str, str]]] = []

    def settings() -> dict[str, str]:
        if not started:
            directory = tmp_path_factory.mktemp("docs") / "system"
            directory.mkdir()
            running = Running(directory)
            where = json.loads((directory / "run.json").read_text("utf-8"))
            _wait_ready(where["api"])
            variables = {
                "SPENDSTREAM_BROKER_URL": where["broker"],
                "SPENDSTREAM_CLICKHOUSE_URL": f"http://{where['clickhouse']}/spendstream",
                "SPENDSTREAM_HTTP_PORT": where["api"].rpartition(":")[2],
                # The system is an embedded one, which keeps calls for a shorter time than a cluster.
                "SPENDSTREAM_CALLS_RETENTION_HOURS": str(RETENTION_HOURS),
            }
            started.append((running, variables))
        return started[0][1]

    yield settings
    for running, _ in started:
        running.stop()


def _wait_ready(api: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(api, timeout=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        finally:
            connection.close()
        time.sleep(0.1)
    raise AssertionError("the worker did not get ready")


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if commands(path)], ids=lambda path: path.name)
def test_every_console_command_does_what_the_document_says(
    path: Path, tmp_path: Path, server: Callable[[], dict[str, str]]
) -> None:
    (tmp_path / "calls.jsonl").write_text(some_calls(), "utf-8")
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for command in commands(path):
        variables = server() if "server" in command.modes else {}
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            env=environment(PATH=binaries, **variables),
            check=False,
        )
        out = done.stdout.decode("utf-8", "replace")
        at = f"{path.name}:{command.line}: $ {command.text}"
        assert done.returncode == command.exit_code, f"{at}\nended with {done.returncode}\n{out[-3000:]}"
        assert matches(command.printed, out), f"{at}\nprinted\n{out[-3000:]}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_other_shell_block_parses_and_names_real_commands(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for language in ("sh", "bash", "shell"):
        for first, _, lines in blocks(path, language):
            text = "\n".join(lines)
            done = subprocess.run(["bash", "-n"], input=text.encode(), capture_output=True, timeout=30, check=False)
            assert done.returncode == 0, f"{path.name}:{first}: {done.stderr.decode()}"
            for line in text.replace("\\\n", " ").splitlines():
                for words in simple_commands(line):
                    at = f"{path.name}:{first}: {line}"
                    if words[0] == "make" and len(words) > 1:
                        assert re.search(rf"^{re.escape(words[1])}:", makefile, re.MULTILINE), at
                    if "spendstream" in words and "pip" not in words:
                        parses(words[words.index("spendstream") + 1 :], at)


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line, without its comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";&|<>"):
            if words:
                yield words
            words = []
        else:
            words.append(word)


def parses(words: list[str], at: str) -> None:
    """Click takes these arguments; nothing is run."""
    if not words or words[0].startswith("-"):
        return
    context = click.Context(group, info_name="spendstream")
    command = group.get_command(context, words[0])
    if command is None:
        raise AssertionError(f"{at}: there is no command {words[0]!r}")
    if "--help" not in words:
        try:
            command.make_context(words[0], words[1:], parent=context)
        except click.UsageError as error:
            raise AssertionError(f"{at}: {error.format_message()}") from None


@pytest.mark.parametrize(("word", "index", "expected"), [("rep", 1, {"replay", "report"}), ("--mo", 2, {"--month"})])
def test_completion_knows_commands_and_options(word: str, index: int, expected: set[str]) -> None:
    words = "spendstream " + ("report " if index == 2 else "") + word
    done = subprocess.run(
        [Path(sys.executable).parent / "spendstream"],
        env=environment(_SPENDSTREAM_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(index)),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert set(done.stdout.decode().split()) == {f"plain,{one}" for one in expected}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_has_a_script_for_each_shell(shell: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "spendstream"],
        env=environment(_SPENDSTREAM_COMPLETE=f"{shell}_source"),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"_SPENDSTREAM_COMPLETE" in done.stdout


def test_the_reader_of_documents_finds_what_does_not_hold() -> None:
    assert matches(("a … c", "…", "z"), "a b c\nmore\nand more\nz\n")
    assert matches((), "anything")
    assert not matches(("a … c",), "a b\n")
    assert not matches(("z", "a"), "a\nz\n")
    with pytest.raises(AssertionError, match="no command"):
        parses(["no-such-command"], "here")
    with pytest.raises(AssertionError, match="--no-such"):
        parses(["report", "--no-such"], "here")
