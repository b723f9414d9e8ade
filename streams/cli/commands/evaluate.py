"""`spendstream evaluate`: how well the detector finds runaways, on recorded or simulated calls."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import config_option, json_option, settings_of
from streams.counted import counted
from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.meter.decode import CallStruct
    from streams.meter.price import Pricer


@dataclass(slots=True)
class Taken:
    """What one file held. `lines` are those that are not empty; `calls` what is judged."""

    file: str
    lines: int = 0
    calls: int = 0
    duplicates: int = 0
    unpriced: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """With rejects by reason."""
        return {
            "file": self.file,
            "lines": self.lines,
            "calls": self.calls,
            "rejected": self.rejected.total(),
            "reasons": dict(sorted(self.rejected.items())),
            "duplicates": self.duplicates,
            "unpriced": self.unpriced,
        }


class Seeds(click.ParamType):
    """`7` or `1-8`, as a range."""

    name = "seeds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """Parse what was given; click reports what is wrong."""
        if isinstance(value, range):
            return value
        first, dash, last = str(value).partition("-")
        if not first.isdecimal() or not (last.isdecimal() if dash else True) or int(last or first) < int(first):
            self.fail(f"{value!r} is neither a seed (7) nor seeds from A to B (1-8)", param, ctx)
        return range(int(first), int(last or first) + 1)


@click.command("evaluate")
@click.argument("files", nargs=-1, metavar="CALLS...")
@click.option(
    "--labels", "label_files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE", help="What is abnormal, JSONL; may be repeated. A file belongs to the set that has its calls.",
)  # fmt: skip
@click.option("--no-rivals", is_flag=True, help="Only the detector: fixed rules, budgets and the rest take longer.")
@click.option("--seeds", type=Seeds(), metavar="A-B", help="Judge on simulated calls of these seeds, pooled.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days of each seed.  [5]")
@click.option("--agents", type=click.IntRange(1, 100_000), help="Root agents of each seed.  [240]")
@config_option()
@json_option()
def command(
    files: tuple[str, ...],
    label_files: tuple[Path, ...],
    no_rivals: bool,
    seeds: range | None,
    days: int | None,
    agents: int | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Judge the detector, as it ships, on calls whose runaways are known.

    CALLS are JSONL as `spendstream replay` takes them, plain or gzip, - for standard input; one set a file. Lines that
    are no calls are counted, calls that come twice count once, prices are the meter's (your own with --config), all as
    in the pipeline. Without labels every page is a false one: that is how to judge on normal traffic. A set is
    held in memory: about 1 GB a million calls.

    Beside it on the same calls: rules with fixed thresholds tuned on these very labels, the same with round figures,
    budgets, OpenHands' stuck rules. docs/detection.md has the figures and says what the words mean.

    \b
    JSON: input, one entry a set (not with --seeds): file lines calls rejected reasons duplicates unpriced
    sets, by name:
      size          calls, runs, agent_days
      tuned_rules   the thresholds that fitted these labels best
      detectors     "spendstream" and its rivals, each with
        labels found recall precision f1; recall_95 and precision_95: interval of 95 %
        false (pages that match no label), false_per_1000_agent_days, false_per_1000_runs, both also _95
        saved_dollars_share   what a stop at the first page would have saved of the runaways' cost
        cold_recall second_recall pages_per_found kind_right storms_per_outage
        tickets       incidents that page nobody, by kind
        kinds         each with kind labels found recall precision false by_grade, and from the first
                      abnormal call to the page calls_p50 calls_p90 seconds_... dollars_...
    null where there is nothing to divide by.

    \b
    Examples:
      spendstream evaluate calls.jsonl.gz --labels labels.jsonl
      spendstream evaluate monday.jsonl tuesday.jsonl --no-rivals --json
      spendstream evaluate --seeds 201-210 --days 5
    """
    from streams.cli.output import one_json, result_only
    from streams.evaluate import evaluate, evaluate_seeds, table

    if seeds is not None:
        if files or label_files:
            raise UsageError("--seeds makes its own calls and labels: leave CALLS and --labels away")
        with result_only() as say:
            report = evaluate_seeds(seeds, days or 5, agents=agents or 240, rivals=not no_rivals)
            say(one_json(report.to_json()) if as_json else table(report))
        return
    if not files:
        raise UsageError("give files of calls, or --seeds A-B")
    if days is not None or agents is not None:
        raise UsageError("--days and --agents belong to --seeds")
    with result_only() as say, tempfile.TemporaryDirectory(prefix="spendstream-") as folder:
        taken: dict[str, Taken] = {}
        paths = _prepare(files, label_files, config, Path(folder), taken)
        report = evaluate(paths, label_files, rivals=not no_rivals)
        if as_json:
            say(one_json({"input": {name: one.as_json() for name, one in taken.items()}, **report.to_json()}))
        else:
            say("\n".join([*(words for name, one in taken.items() if (words := _in_words(name, one))), table(report)]))


def _prepare(
    files: tuple[str, ...], label_files: tuple[Path, ...], config: Path | None, folder: Path, taken: dict[str, Taken]
) -> list[Path]:
    """Meter the files into copies that hold good calls only, each with its price as `reported_cost`."""
    from streams.evaluate.read import read_labels
    from streams.meter.price import Overrides, Pricer, load_overrides
    from streams.replay.lines import check_sources

    check_sources(files)
    for path in label_files:
        read_labels(path)  # a fault in them is told before the work
    prices = settings_of(config).prices_file
    pricer = Pricer.default(load_overrides(prices) if prices else Overrides())
    paths: list[Path] = []
    for file in files:
        name = base = _name(file)
        number = 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken[name] = Taken(file)
        paths.append(folder / str(len(paths)) / name / "calls.jsonl")  # evaluate() names a set by the folder
        paths[-1].parent.mkdir(parents=True)
        with paths[-1].open("wb") as out:
            for part in _copied(file, pricer, taken[name]):
                out.write(part)
    return paths


def _name(file: str) -> str:
    path = Path(file)
    if file == "-":
        return "stdin"
    return path.absolute().parent.name if path.name.startswith("calls.") else path.name.split(".")[0] or path.name


def _copied(file: str, pricer: Pricer, taken: Taken) -> Iterator[bytes]:
    """Lines of the copy, a part at a time; counts into `taken`."""
    import msgspec

    from streams.evaluate.read import SeenCall
    from streams.meter.decode import decode
    from streams.money import exact
    from streams.replay.lines import read_chunks

    encoder = msgspec.json.Encoder()
    seen: set[tuple[str | None, str]] = set()
    fields = [name for name in SeenCall.__struct_fields__ if name != "reported_cost"]
    for chunk in read_chunks(file):
        taken.lines += len(chunk.lines)
        decoded = decode(chunk.lines, [-1] * len(chunk.lines))
        taken.rejected.update(reject.reason for reject in decoded.rejects)
        fresh = []
        for call in decoded.calls:
            if (call.source, call.id) in seen:
                taken.duplicates += 1
            else:
                seen.add((call.source, call.id))
                fresh.append(call)
        taken.calls += len(fresh)
        rows = []
        for call, cost in zip(fresh, _priced(fresh, pricer), strict=True):
            row: dict[str, Any] = {name: value for name in fields if (value := getattr(call, name)) is not None}
            if cost is None:
                taken.unpriced += 1
            else:
                row["reported_cost"] = exact(cost)
            rows.append(row)
        yield encoder.encode_lines(rows)


def _priced(calls: list[CallStruct], pricer: Pricer) -> list[int | None]:
    """Pico-USD of each call by the meter's prices, None where it has none."""
    from streams.meter.rows import CallColumns

    columns = CallColumns(calls)
    names = ("time", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
    priced = pricer.price(
        columns["provider_name"], columns["request_model"], columns["response_model"], *map(columns.ints, names)
    )
    return [
        cost if known else None for cost, known in zip(priced.cost_pico.tolist(), priced.priced.tolist(), strict=True)
    ]


def _in_words(name: str, one: Taken) -> str:
    """What of a file was left out; empty when nothing was."""
    parts = []
    if one.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(one.rejected.items()))
        parts.append(f"{one.rejected.total():,} rejected ({reasons})")
    if one.duplicates:
        parts.append(counted(one.duplicates, "duplicate"))
    if one.unpriced:
        parts.append(f"{one.unpriced:,} unpriced")
    return f"{name}: of {counted(one.lines, 'line')} {', '.join(parts)}" if parts else ""
