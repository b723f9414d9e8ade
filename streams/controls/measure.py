"""What `may_call` costs: `python -m streams.controls.measure [--controls N] [--seconds S]`.

Prints one JSON object: nanoseconds a call, the best of seven rounds, for a call that no control names, that a control
blocks, that it throttles, and with no controls at all; and an empty function's, which is part of each.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from streams.controls.client import ControlClient

ROUNDS: Final = 7


class _Given:
    """A source that gives one picture."""

    def __init__(self, controls: list[dict[str, Any]]) -> None:
        self._controls = controls

    def run(self, stop: threading.Event, on_controls: Callable[[Any], None], on_fault: Callable[[str], None]) -> None:
        """See `Source.run`."""
        on_controls(self._controls)
        stop.wait()


def measured(controls: int, seconds: float) -> dict[str, Any]:
    """Nanoseconds a call, by case."""
    given = [_control(f"run-{number}", "block") for number in range(controls)]
    given.append(_control("throttled", "throttle") | {"rate_per_minute": 1e9})
    with ControlClient(source=_Given([])) as empty, ControlClient(source=_Given(given)) as client:
        while len(client._picture) == 0:
            time.sleep(0.01)
        cases: dict[str, Callable[[], object]] = {
            "an_empty_function": lambda: None,
            "no_controls": lambda: empty.may_call(run_id="run", agent_id="bot", api_key_id="key"),
            "not_named": lambda: client.may_call(run_id="run", agent_id="bot", api_key_id="key"),
            "blocked": lambda: client.may_call(run_id="run-0", agent_id="bot", api_key_id="key"),
            "throttled": lambda: client.may_call(run_id="throttled", agent_id="bot", api_key_id="key"),
        }
        figures = {name: round(_best(case, seconds)) for name, case in cases.items()}
    return {"controls": controls, "nanoseconds": figures}


def _best(case: Callable[[], object], seconds: float) -> float:
    number = 1000
    while True:
        taken = _round(case, number)
        if taken >= seconds:
            break
        number *= 2
    return min(_round(case, number) for _ in range(ROUNDS)) / number * 1e9


def _round(case: Callable[[], object], number: int) -> float:
    began = time.perf_counter()
    for _ in range(number):
        case()
    return time.perf_counter() - began


def _control(subject: str, action: str) -> dict[str, Any]:
    return {
        "v": 1, "id": f"run:{subject}", "scope": "run", "subject": subject, "mode": "enforce", "action": action,
        "reason": "measured", "since": 1_772_409_600_000,
    }  # fmt: skip


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="What may_call costs.")
    parser.add_argument("--controls", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one round at least")
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(measured(asked.controls, asked.seconds)) + "\n")


if __name__ == "__main__":
    main()
