"""Runs the matrix and writes its table.

python -m tests.faults                 the short form, printed
python -m tests.faults --full          100 kills over a million calls, outages of minutes: about an hour and a half
python -m tests.faults --table         also writes the table into docs/faults.md
python -m tests.faults --results FILE  keeps results in FILE; the table is of all that it holds, older runs' included
python -m tests.faults --only "broker" faults whose name contains it
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.crash.worker_process import ROOT
from tests.faults.kinds import Scale
from tests.faults.matrix import FAULTS, Result, cannot, ground, mend, run
from tests.faults.table import Row, keep, write


async def _all(root: Path, scale: Scale, only: str) -> tuple[list[Result], list[str]]:
    results: list[Result] = []
    failures: list[str] = []
    chosen = [fault for fault in FAULTS if only in fault.name and (scale.full or fault.in_short)]
    for nodes in sorted({fault.nodes for fault in chosen}):
        with ground(root / f"of-{nodes}", nodes) as on:
            for fault in [fault for fault in chosen if fault.nodes == nodes]:
                if reason := cannot(fault):
                    failures.append(f"{fault.name}: {reason}")
                    _say(f"{fault.name:20} LEFT OUT: {reason}")
                    continue
                began = time.monotonic()
                try:
                    result = await run(fault, on, scale)
                except Exception:
                    failures.append(f"{fault.name}: {traceback.format_exc()}")
                    _say(f"{fault.name:20} FAILED after {time.monotonic() - began:.0f} s\n{failures[-1]}")
                    mend(on)
                    continue
                results.append(result)
                verdict = result.verdict
                if not verdict.ok:
                    failures.append(f"{fault.name}: {verdict}")
                _say(
                    f"{fault.name:20} injected {result.injected:3}, sent {verdict.sent:8,}, lost {verdict.lost}, "
                    f"doubled {verdict.doubled}, recovered in {max(result.recoveries, default=0):5.1f} s at most, "
                    f"{len(result.restarts)} restarts, took {result.seconds:.0f} s"
                    + "".join(f"\n    {fault}" for fault in verdict.faults)
                    + "".join(f"\n    {restart}" for restart in result.restarts)
                )
    return results, failures


def _row(result: Result, scale: Scale) -> Row:
    verdict = result.verdict
    return Row(
        result.fault.name, result.fault.what, result.injected, verdict.sent, verdict.lost, verdict.doubled,
        round(max(result.recoveries, default=0.0), 1), round(result.seconds, 1), scale.full,
    )  # fmt: skip


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """0 when nothing was lost and nothing doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="100 kills over a million calls, outages of minutes")
    parser.add_argument("--table", action="store_true", help="write the table into docs/faults.md")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--results", type=Path, help="keep results in this file, beside what it holds")
    options = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the brokers' deaths are ours
    scale = Scale(options.full)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spendstream-faults-", ignore_cleanup_errors=True) as root:
        results, failures = asyncio.run(_all(Path(root), scale, options.only))
    _say(f"{len(results)} faults in {time.monotonic() - began:.0f} s, {len(failures)} failed")
    with tempfile.TemporaryDirectory() as root:
        order = [fault.name for fault in FAULTS]
        rows = keep(options.results or Path(root, "results"), [_row(result, scale) for result in results], order)
    if options.table and not failures:
        write(ROOT / "docs" / "faults.md", rows)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
