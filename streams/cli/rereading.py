"""The mode `replay --from TIME --topic` of the command `replay`: reads the log again, see `streams.repair.reread`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streams.counted import counted
from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.repair.reread import RereadResult


def instant_of(text: str) -> int:
    """Epoch ms of `--from`: a time (`streams.moment`) or `start`. Raises `UsageError`."""
    from streams.moment import read_moment

    if text == "start":
        return 0
    try:
        return read_moment(text)[0]
    except ValueError as error:
        raise UsageError(f"--from {error}; or `start`, for all that the log has") from None


def check(topic: str | None, from_: str | None) -> int:
    """Epoch ms of `--from`. Raises `UsageError` when the two options do not go together."""
    from streams import topics

    if topic is None:
        raise UsageError("--from belongs to --topic: `spendstream replay --from TIME --topic`")
    if topic != topics.CALLS:
        raise UsageError(f"--topic {topic!r}: only {topics.CALLS} can be read again; the others are made of it")
    if from_ is None:
        raise UsageError("--topic needs --from TIME, or --from start for all that the log has")
    return instant_of(from_)


async def read_again(
    embedded: Path | None, settings: Settings, from_ms: int, *, as_far_as_it_goes: bool, stall_s: float
) -> RereadResult:
    """Ask, wait, count."""
    import getpass

    from streams.cli.repairing import target
    from streams.cli.target import unless
    from streams.kafka_security import options_for
    from streams.repair.reread import reread

    async with target(embedded, settings) as to:
        work = reread(
            to.broker_url, to.ledger, to.marks, from_ms,
            by=getpass.getuser(), as_far_as_it_goes=as_far_as_it_goes, stall_s=stall_s,
            kafka=options_for(embedded, settings),
        )  # fmt: skip
        return await unless(to.failed, work)


def in_words(result: RereadResult) -> str:
    """For people."""
    told = result.as_json()
    return "\n".join(
        [
            f"{counted(result.records, 'record')} of {counted(result.partitions, 'partition')} read again "
            f"(replay {result.replay_id})",
            f"  new         {told['new']:>16,}",
            f"  duplicates  {told['duplicates']:>16,}  (the ledger had them)",
            f"  rejected    {told['rejected']:>16,}",
            *([f"  moved       {told['moved']:>16,}"] if told["moved"] else []),
            f"the ledger holds {counted(result.calls, 'call')}, {result.calls_before:,} before",
        ]
    )
