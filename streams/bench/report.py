"""The result of a bench as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(result: Mapping[str, Any]) -> str:
    """A Markdown table of the figures that were measured."""
    rows: list[tuple[str, str, str]] = []
    cpu = result["cpu_us_per_call_by_contender"]
    for name, key, label in (
        ("spendstream", "calls_per_second", "Spendstream worker: the meter"),
        ("spendstream_detect", "with_detection", "the same, and every call looked at for runaways"),
        ("stock_faust", "stock_faust_calls_per_second", "the same steps on Faust's stock transport"),
        ("quix", "quix_calls_per_second", "Quix Streams: decode, a sum per agent in state"),
        ("raw_aiokafka", "raw_aiokafka_records_per_second", "aiokafka: count records"),
    ):
        rate = result[key]["calls_per_second"] if isinstance(result[key], Mapping) else result[key]
        if rate is not None:
            rows.append((label, f"{rate:,.0f}", f"{cpu[name]:.1f}"))
    lines = ["| contender | calls/s | CPU us/call |", "|---|---:|---:|"] if rows else []
    lines += [f"| {label} | {rate} | {us} |" for label, rate, us in rows]
    if result["calls_per_second"] and result["stock_faust_calls_per_second"]:
        lines.append(f"\n{result['calls_per_second'] / result['stock_faust_calls_per_second']:.1f} times stock Faust")
    if result["publish_to_ledger_ms"]:
        delay = result["publish_to_ledger_ms"]
        lines.append(
            f"\npublish to visible at {delay['rate']:,.0f} calls/s: "
            f"p50 {delay['p50']:.0f} ms, p99 {delay['p99']:.0f} ms"
        )
    if result["publish_to_page_ms"]:
        page = result["publish_to_page_ms"]
        lines.append(
            f"\npublish of the crossing call to the page: p50 {page['p50']:.0f} ms, p99 {page['p99']:.0f} ms "
            f"({page['pages']} pages of {page['loops']} loops)"
        )
    for agents, figures in result["agents"].items():
        lines.append(
            f"\n{int(agents):,} agents: {figures['rss_mb']:,.0f} MB resident, "
            f"{figures['cpu_us_per_call']:.1f} us of CPU a call"
        )
    if result["recovery"]:
        again = result["recovery"]
        lines.append(
            f"\nkilled and started again: {again['agents']:,} agents known again after {again['seconds']:.1f} s "
            f"({again['cpu_s']:.1f} s of CPU)"
        )
    if result["us_per_call"]:
        lines += ["", "| step | us/call |", "|---|---:|"]
        lines += [f"| {step} | {us:.2f} |" for step, us in result["us_per_call"].items()]
    if result["growth"]:
        growth = result["growth"]
        lines.append(
            f"\n{growth['calls']:,} calls: {growth['first_us_per_call']:.1f} us of CPU a call at first, "
            f"{growth['last_us_per_call']:.1f} at the end"
        )
    return "\n".join(lines)
