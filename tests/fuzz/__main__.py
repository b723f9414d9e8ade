"""Command line of the fuzzer: see `tests.fuzz.run`."""

from __future__ import annotations

import sys
import time

import click

from tests.fuzz.run import run
from tests.fuzz.targets import TARGETS


@click.command()
@click.option("--inputs", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Of all targets.")
@click.option("--target", "names", multiple=True, type=click.Choice(sorted(TARGETS)), help="Only these.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(inputs: int, names: tuple[str, ...], seed: int) -> None:
    """Try inputs on every parser of outside input; exit code 1 when something did not hold."""
    chosen = [TARGETS[name] for name in names] or list(TARGETS.values())
    found = total = 0
    shares = sum(target.share for target in chosen)
    for target in chosen:
        began = time.monotonic()
        tried, finds = run(target, -(-inputs * target.share // shares), seed)
        seconds = time.monotonic() - began
        total, found = total + tried, found + len(finds)
        click.echo(f"{target.name:<10} {tried:>9,} inputs  {tried / seconds:>9,.0f}/s  {len(finds)} finds")
        for find in finds:
            click.echo(f"{find.keep()}\n{find.why}", err=True)
    click.echo(f"{total:,} inputs, {found} finds")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
