"""Run the detector and its rivals over sets of calls and judge them by the labels.

`evaluate` reads files, `evaluate_seeds` simulates; both give an `EvaluationReport`. Event time only: no clock is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.detect import DetectConfig
from streams.errors import UsageError
from streams.evaluate.alarms import Alarm, of_detector
from streams.evaluate.match import Truth, match, truths
from streams.evaluate.read import Price, SeenCall, from_dicts, read_calls, read_labels, reported
from streams.evaluate.report import DetectorReport, EvaluationReport, Judged, Size, summarise
from streams.evaluate.rules import alarms_at, budget, naive, openhands, readings, tuned
from streams.simulate import simulate

SHIPPED = "spendstream"


def evaluate(
    calls_paths: Sequence[Path],
    labels_paths: Sequence[Path] = (),
    *,
    price: Price = reported,
    config: DetectConfig | None = None,
    rivals: bool = True,
) -> EvaluationReport:
    """Judge on recorded calls: one set a calls file, named by its folder (or file). A labels file belongs to the set
    that has its calls.

    Raises `UsageError` for files that cannot be read and for labels that fit no set.
    """
    label_files = [(path, read_labels(path)) for path in labels_paths]
    placed: set[Path] = set()
    sets: dict[str, dict[str, DetectorReport]] = {}
    sizes: dict[str, Size] = {}
    rules: dict[str, dict[str, float]] = {}
    for path in calls_paths:
        calls = sorted(read_calls(path), key=lambda call: (call.time, call.id))
        ids = {call.id for call in calls}
        labels: list[dict[str, Any]] = []
        for file, found in label_files:
            # a file without any runaway names no call: outages, or nothing, go with every set
            if any(label.get("first_call_id") in ids for label in found) or not any(map(_names_a_call, found)):
                placed.add(file)
                labels += [label for label in found if "first_call_id" not in label or label["first_call_id"] in ids]
        name = path.parent.name if path.name.startswith("calls.") else path.name.split(".")[0]
        judged, chosen = judge(calls, [price(call) for call in calls], labels, config=config, rivals=rivals)
        sets[name] = {key: summarise(key, value) for key, value in judged.items()}
        sizes[name] = judged[SHIPPED].size
        rules[name] = chosen
    lost = [str(path) for path, _ in label_files if path not in placed]
    if lost:
        raise UsageError(
            f"no call of the given files is named in {', '.join(lost)}: give the calls that the labels belong to"
        )
    return EvaluationReport(sets, sizes, rules)


def evaluate_seeds(
    seeds: Iterable[int], days: int = 5, *, agents: int = 240, config: DetectConfig | None = None, rivals: bool = True
) -> EvaluationReport:
    """Judge on simulated calls, the seeds pooled. The fixed thresholds are tuned seed by seed on that seed's labels."""
    pooled: dict[str, Judged] = {}
    chosen: dict[str, float] = {}
    for seed in seeds:
        simulation = simulate(seed, days, agents)
        calls = list(from_dicts(simulation))
        labels = [label.to_dict() for label in simulation.labels] + [outage.to_dict() for outage in simulation.outages]
        judged, chosen = judge(calls, [reported(call) for call in calls], labels, config=config, rivals=rivals)
        for name, value in judged.items():
            pooled[name] = pooled[name] + value if name in pooled else value
    if not pooled:
        raise UsageError("at least one seed is needed")
    return EvaluationReport(
        {"simulator": {name: summarise(name, value) for name, value in pooled.items()}},
        {"simulator": pooled[SHIPPED].size},
        {"simulator": chosen},
    )


def judge(
    calls: Sequence[SeenCall],
    costs: Sequence[int | None],
    labels: Sequence[Mapping[str, Any]],
    *,
    config: DetectConfig | None = None,
    rivals: bool = True,
) -> tuple[dict[str, Judged], dict[str, float]]:
    """All detectors on one set (calls in time order); and the thresholds that the tuned rules chose."""
    size = Size(
        len(calls),
        len({call.run_id or call.agent_id for call in calls}),
        len({(call.agent_id, call.time // 86_400_000) for call in calls if call.parent_agent_id is None}),
    )
    shipped, _ = of_detector(calls, costs, config)
    labelled = truths(labels, calls, costs)
    out = {SHIPPED: _judged(shipped, labelled, size)}
    chosen: dict[str, float] = {}
    if rivals:
        found = readings(calls, costs)
        if any(label.get("scope") != "benign" for label in labels):
            chosen = tuned(found, labelled)
            out["fixed rules, tuned here"] = _judged(alarms_at(found, chosen), labelled, size)
        out["fixed rules, round figures"] = _judged(alarms_at(found, naive()), labelled, size)
        out["budget, 3 x own mean day"] = _judged(budget(calls, costs), labelled, size)
        out["OpenHands' stuck rules"] = _judged(openhands(calls), labelled, size)
    return out, chosen


def _names_a_call(label: Mapping[str, Any]) -> bool:
    return "first_call_id" in label


def _judged(alarms: Sequence[Alarm], labelled: Sequence[Truth], size: Size) -> Judged:
    paging = [alarm for alarm in alarms if alarm.page]
    return Judged(match(paging, labelled), size, Counter(alarm.kind for alarm in alarms if not alarm.page))
