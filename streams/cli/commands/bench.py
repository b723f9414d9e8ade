"""`spendstream bench`: the worker's speed on this machine, beside what else reads the same records."""

from __future__ import annotations

from typing import Any

import click

from streams.cli.options import json_option


@click.command("bench")
@click.option("--quick", is_flag=True, help="One short run of everything: rough figures in three minutes.")
@click.option("--calls", type=click.IntRange(1_000), help="Calls that a contender drains.  [400000]")
@click.option("--agents", type=click.IntRange(1), help="Agents that make them.  [1000]")
@click.option("--runs", type=click.IntRange(1), help="Runs of each contender, taking turns.  [3]")
@click.option(
    "--growth",
    is_flag=True,
    help="Also 3,000,000 calls through one worker: does a call's cost grow? Minutes, and 8 GB.",
)
@click.option("--only", multiple=True, metavar="PART", help="Measure this part only; may be repeated.")
@json_option()
def command(
    quick: bool,
    calls: int | None,
    agents: int | None,
    runs: int | None,
    growth: bool,
    only: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure throughput, CPU a call, delay, memory, and each step; docs/benchmark.md says how.

    Parts: spendstream, spendstream_detect, stock_faust, quix, raw_aiokafka, latency, paging, agents, recovery, steps,
    growth. It starts brokers and workers of its own on scratch directories. quix needs
    `pip install 'spendstream[bench]'`.

    \b
    Examples:
      spendstream bench --quick
      spendstream bench --json > bench.json
      spendstream bench --only latency
    """
    from streams.bench.report import table
    from streams.bench.run import BenchOptions, run
    from streams.cli.output import one_json, result_only

    changes = {"calls": calls, "agents": agents, "runs": runs}
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    given |= {"growth": growth, "only": frozenset(only)}
    options = BenchOptions.quick(**given) if quick else BenchOptions(**given)
    with result_only() as say:
        result = run(options, lambda line: click.echo(line, err=True))
        say(one_json(result) if as_json else table(result))
