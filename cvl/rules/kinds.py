"""The rules there are: name, options, and the function that judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cvl.rules import curves, values
from cvl.rules.case import Case, Finding

NUMBER, SWITCH, TEXT, METRIC, METRICS = "number", "switch", "text", "metric", "metrics"


@dataclass(frozen=True)
class Kind:
    """`judge` gets one metric at a time, or the first of a `pair`; without it the rule is about files."""

    judge: Callable[[Case], Finding] | None
    options: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()  # at least one of these
    pair: bool = False
    groups: bool = False  # about <key>/<group>, whether <key> itself is logged or not
    needs_better: bool = False


KINDS: Mapping[str, Kind] = {
    "finite": Kind(curves.judge_finite),
    "count": Kind(curves.judge_count, {"min": NUMBER, "gaps": SWITCH}, any_of=("min", "gaps")),
    "init": Kind(curves.judge_init, {"value": TEXT, "classes": TEXT, "tol": NUMBER}, required=("value",)),
    "trend": Kind(curves.judge_trend, {"ratio_max": NUMBER}, required=("ratio_max",)),
    "no_spike": Kind(curves.judge_no_spike, {"factor": NUMBER, "window": NUMBER}),
    "plateau": Kind(curves.judge_plateau, {"epochs": NUMBER, "delta": NUMBER}, required=("epochs",), needs_better=True),
    "range": Kind(values.judge_range, {"at": TEXT, "min": NUMBER, "max": NUMBER}, any_of=("min", "max")),
    "gap": Kind(
        values.judge_gap,
        {"ratio_max": NUMBER, "diff_max": NUMBER},
        any_of=("ratio_max", "diff_max"),
        pair=True,
        needs_better=True,
    ),
    "above": Kind(values.judge_above, {"baseline": TEXT, "by": NUMBER}, needs_better=True),
    "not_constant": Kind(values.judge_not_constant, {"min": NUMBER, "max": NUMBER}),
    "each": Kind(values.judge_each, {"min": NUMBER}, required=("min",), groups=True),
    "sum": Kind(values.judge_sum, {"parts": METRICS, "tol": NUMBER}, required=("parts",)),
    "artifact": Kind(None, {"path": TEXT, "reload": METRIC, "tol": NUMBER}, required=("path",)),
}
