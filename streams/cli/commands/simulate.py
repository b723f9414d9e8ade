"""`spendstream simulate`: made-up calls of an organisation's agents, with runaways that a labels file names."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import click

from streams.counted import counted
from streams.errors import UsageError

PART = 1000
"""Lines that are written at once."""


@click.command("simulate")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="The same seed, the same calls.")
@click.option("--days", type=click.IntRange(1, 3650), required=True, help="Days of event time, from 2026-03-02.")
@click.option(
    "--agents", type=click.IntRange(1, 100_000), default=240, show_default=True,
    help="Root agents; each makes some 400 calls a day.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Where the calls go, packed when it ends in .gz. Without it, standard output.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Where the labels go. Without it, they are not written.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say what was made as one JSON object.")
def command(seed: int, days: int, agents: int, out: Path | None, labels: Path | None, as_json: bool) -> None:
    """Make up calls of an organisation's agents, to try things on and to judge the detector by.

    Calls are JSONL by the contract `call`, in time order; `spendstream replay` and `evaluate` take them. Among ordinary
    work, outages and look-alikes there are runaways: about twelve a day for 240 agents (a few agents may have none), of
    five kinds and three grades, a quarter of them on agents without history. The same seed, days and agents give the
    same bytes. Nothing in a call says that it is abnormal; the labels do, one a runaway, and one an outage (scope
    "benign": what is flagged for it is false).

    \b
    JSON (with --out on standard output, else on standard error, for standard output has the calls):
      seed days agents calls runaways outages, first_time and last_time in epoch ms, out, labels
    A label: label (the kind) agent_id run_id grade cold second scope first_call_id start end calls call_ids

    \b
    Examples:
      spendstream simulate --seed 7 --days 2 --out calls.jsonl.gz --labels labels.jsonl
      spendstream evaluate calls.jsonl.gz --labels labels.jsonl
      spendstream simulate --seed 7 --days 1 --agents 40 | spendstream replay - --embedded spend
    """
    import msgspec

    from streams.cli.output import one_json
    from streams.simulate import simulate

    if out is not None and labels is not None and out.absolute() == labels.absolute():
        raise UsageError("--out and --labels name the same file: labels belong in one of their own")
    if labels is not None:
        _check(labels)
    simulation = simulate(seed, days, agents)
    told: dict[str, Any] = {"seed": seed, "days": days, "agents": agents, "calls": 0}
    encode = msgspec.json.Encoder().encode

    def lines() -> Iterator[bytes]:
        for call in simulation:
            told["calls"] += 1
            told.setdefault("first_time", call["time"])
            told["last_time"] = call["time"]
            yield encode(call)

    with _opened(out) as file:
        _write(file, lines())
    # complete only now: a label's calls are counted as they are made
    known = [label.to_dict() for label in simulation.labels] + [outage.to_dict() for outage in simulation.outages]
    if labels is not None:
        with _opened(labels) as file:
            _write(file, map(encode, known))
    told.setdefault("first_time", None)
    told.setdefault("last_time", None)
    told["runaways"], told["outages"] = len(simulation.labels), len(simulation.outages)
    told["out"], told["labels"] = (None if path is None else str(path) for path in (out, labels))
    click.echo(one_json(told) if as_json else _in_words(told), err=out is None)


def _in_words(told: dict[str, Any]) -> str:
    where = f" in {told['out']}" if told["out"] else ""
    known = f"labels in {told['labels']}" if told["labels"] else "labels not written: --labels FILE keeps them"
    runaways, outages = counted(told["runaways"], "runaway"), counted(told["outages"], "outage")
    return f"{counted(told['calls'], 'call')}{where}; {runaways} and {outages}, {known}"


def _write(file: IO[bytes], lines: Iterable[bytes]) -> None:
    part: list[bytes] = []
    for line in lines:
        part.append(line)
        if len(part) == PART:
            file.write(b"\n".join(part) + b"\n")
            part.clear()
    if part:
        file.write(b"\n".join(part) + b"\n")
    file.flush()


def _check(path: Path) -> None:
    """Refuse now what could be written only after all the work."""
    if not path.absolute().parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no directory {path.absolute().parent}")


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write, which appears whole or not at all; standard output for None."""
    if path is None:
        yield sys.stdout.buffer
        return
    # a device or pipe must be written as it is, not replaced
    begun = path if path.exists() and not path.is_file() else path.with_name(path.name + ".part")
    try:
        with contextlib.ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(begun.open("wb"))
            if path.suffix == ".gz":
                # neither name nor time in the header: the same calls are the same bytes
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6)
                file = cast("IO[bytes]", stack.enter_context(packed))
            yield file
        if begun != path:
            os.replace(begun, path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if begun != path:
            begun.unlink(missing_ok=True)
