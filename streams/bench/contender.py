"""`python -m streams.bench.contender TASK`: one contender's run in this process; its result as JSON on stdout."""

from __future__ import annotations

import asyncio
import sys

from streams.bench.spec import Result, Task


def run(task: Task) -> Result:
    """Run the contender that the task names."""
    # Imported here: no contender pays for another's modules.
    if task.contender in ("spendstream", "spendstream_detect"):
        from streams.bench import spend

        return asyncio.run(spend.run(task))
    if task.contender == "stock_faust":
        from streams.bench import stock

        return asyncio.run(stock.run(task))
    if task.contender.startswith("quix"):
        from streams.bench import quix

        return quix.run(task)
    if task.contender == "raw_aiokafka":
        from streams.bench import bare

        return asyncio.run(bare.run(task))
    raise SystemExit(f"there is no contender {task.contender!r}")


if __name__ == "__main__":
    sys.stdout.write(run(Task.decode(sys.argv[1])).encode() + "\n")
