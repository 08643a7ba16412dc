"""The rules there are: name, options, and the function that judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cvl.rules import artifact, comparisons, curves, values, whole
from cvl.rules.case import Case, Finding
from cvl.rules.log import Log
from cvl.rules.model import Rule

NUMBER, SWITCH, TEXT, METRIC, METRICS = "number", "switch", "text", "metric", "metrics"


@dataclass(frozen=True)
class Kind:
    """`judge` gets one metric at a time, or the first of a `pair`; without it the rule is about the whole run."""

    judge: Callable[[Case], Finding] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()  # at least one of these
    pair: bool = False
    groups: bool = False  # about <key>/<group>, whether <key> itself is logged or not
    needs_better: bool = False
    judge_run: Callable[[Rule, Log], Finding] | None = None


KINDS: Mapping[str, Kind] = {
    "finite": Kind(curves.judge_finite),
    "count": Kind(curves.judge_count, {"min": NUMBER, "gaps": SWITCH}, any_of=("min", "gaps")),
    "init": Kind(curves.judge_init, {"value": TEXT, "classes": TEXT, "tol": NUMBER}, required=("value",)),
    "trend": Kind(curves.judge_trend, {"ratio_max": NUMBER, "from": TEXT}, required=("ratio_max",)),
    "no_spike": Kind(curves.judge_no_spike, {"factor": NUMBER, "window": NUMBER}),
    "plateau": Kind(curves.judge_plateau, {"epochs": NUMBER, "delta": NUMBER}, required=("epochs",), needs_better=True),
    "range": Kind(values.judge_range, {"at": TEXT, "min": NUMBER, "max": NUMBER}, any_of=("min", "max")),
    "gap": Kind(
        comparisons.judge_gap,
        {"ratio_max": NUMBER, "diff_max": NUMBER},
        any_of=("ratio_max", "diff_max"),
        pair=True,
        needs_better=True,
    ),
    "expect": Kind(
        comparisons.judge_expect,
        {"at": TEXT, "value": NUMBER, "tol": NUMBER, "seeds": NUMBER},
        required=("value", "tol"),
    ),
    "above": Kind(comparisons.judge_above, {"baseline": TEXT, "run": TEXT, "by": NUMBER}, needs_better=True),
    "not_constant": Kind(values.judge_not_constant, {"min": NUMBER, "max": NUMBER}),
    "each": Kind(values.judge_each, {"min": NUMBER}, required=("min",), groups=True),
    "sum": Kind(values.judge_sum, {"parts": METRICS, "tol": NUMBER}, required=("parts",)),
    "params": Kind(
        judge_run=whole.judge_params,
        options={"group": TEXT, "changed": SWITCH, "trainable": NUMBER},
        required=("group",),
        any_of=("changed", "trainable"),
    ),
    **{
        cost: Kind(
            judge_run=whole.judge_cost,
            options={"min": NUMBER, "max": NUMBER, "hardware": TEXT},
            required=("hardware",),
            any_of=("min", "max"),
        )
        for cost in whole.COSTS
    },
    "artifact": Kind(
        judge_run=artifact.judge_files,
        options={"path": TEXT, "reload": METRIC, "best_by": TEXT, "tol": NUMBER},
        required=("path",),
    ),
}
