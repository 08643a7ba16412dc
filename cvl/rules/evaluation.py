"""Rules applied to what the readers found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from cvl.readers.base import Reading
from cvl.rules.artifact import judge_reload
from cvl.rules.case import Case, Finding, failed
from cvl.rules.early import so_far
from cvl.rules.kinds import KINDS
from cvl.rules.log import Log, Missing
from cvl.rules.model import Context, Rule, Status, Verdict, Verification, Where, alternatives

_MISSING = "the job stopped before it logged this, or `key` in the manifest is not spelled as in the log"


def evaluate(
    rules: Iterable[Rule],
    verification: Verification,
    readings: Mapping[str, Reading],
    context: Context,
    *,
    ended: bool = True,
) -> tuple[Verdict, ...]:
    """The verdicts of `rules` on the metrics of `verification`: in order, one for each metric a rule names.

    Of a run that has not `ended` only those failures that nothing logged later can take back.
    """
    log = Log(readings, verification.metrics, context)
    found = ((rule, verdict) for rule in rules for verdict in _verdicts(rule, log))
    return tuple(verdict if ended else so_far(rule, verdict, log) for rule, verdict in found)


def _verdicts(rule: Rule, log: Log) -> Iterator[Verdict]:
    kind = KINDS[rule.kind]
    if skipped := _inapplicable(rule, log.context):
        yield _verdict(rule, ", ".join(rule.metrics), skipped)
    elif kind.judge_run:
        yield from _run_verdicts(rule, log, kind.judge_run)
    elif kind.judge and kind.pair:
        pair = ", ".join(rule.metrics)
        yield _verdict(rule, pair, _aged(rule, pair, log, _of_metric(rule, rule.metrics[0], log, kind.judge)))
    elif kind.judge:
        for name in rule.metrics:
            yield _verdict(rule, name, _aged(rule, name, log, _of_metric(rule, name, log, kind.judge)))


def _run_verdicts(rule: Rule, log: Log, judge: Callable[[Rule, Log], Finding]) -> Iterator[Verdict]:
    """On the whole run; what was saved well is then compared with what the log says of it."""
    finding, group = _of_run(rule, log, judge), str(rule.options.get("group", ""))
    yield _verdict(rule, group, _aged(rule, group, log, finding))
    if finding.status is Status.PASS and "reload" in rule.options:
        metric = str(rule.options["reload"])
        yield _verdict(rule, metric, _aged(rule, metric, log, _of_run(rule, log, judge_reload)))


def _of_run(rule: Rule, log: Log, judge: Callable[[Rule, Log], Finding]) -> Finding:
    try:
        return judge(rule, log)
    except Missing as missing:
        return _missing(missing)


def _of_metric(rule: Rule, name: str, log: Log, judge: Callable[[Case], Finding]) -> Finding:
    try:
        series = next(iter(log.groups(name).values())) if KINDS[rule.kind].groups else log.get(name)
        return judge(Case(rule, log.metrics[name], series, log))
    except Missing as missing:
        return _missing(missing)


def _missing(missing: Missing) -> Finding:
    wanted, reason = missing.args
    return failed(f"{wanted} in the log", "missing", Where(), reason=reason, hint=_MISSING)


def _aged(rule: Rule, metric: str, log: Log, finding: Finding) -> Finding:
    """What a run did not log for a rule that came after it is no fault of the job."""
    judged = log.context.judged
    if not judged or (rule.kind, metric) in judged or finding.hint != _MISSING:
        return finding
    reason = f"this rule is newer than the run, and needs {finding.wanted}"
    return replace(finding, reason=reason, hint="train again: what was not logged then cannot be judged now")


def _inapplicable(rule: Rule, context: Context) -> Finding | None:
    """Not run, with the first condition of `when` that does not hold."""
    for name, wanted in rule.when.items():
        words = alternatives(wanted)
        if name != "device" and name not in context.parameters:
            return Finding(Status.NOT_RUN, rule.terms(), reason=f"for {name}={words}, and {name} is not known here")
        actual = context.device if name == "device" else context.parameters[name]
        if not any(_same(value, actual) for value in wanted):
            return Finding(
                Status.NOT_RUN, rule.terms(), reason=f"for {name}={words}, this run has {alternatives([actual])}"
            )
    return None


def _same(wanted: object, actual: object) -> bool:
    """YAML's spelling and the parameter's type may differ: 1e-4 and 0.0001, null and none, true and True."""
    try:
        return float(str(wanted)) == float(str(actual))
    except ValueError:
        return _word(wanted) == _word(actual)


def _word(value: object) -> str:
    return str(value).lower()


def _verdict(rule: Rule, metric: str, finding: Finding) -> Verdict:
    demoted = finding.status is Status.FAIL and rule.severity != "error"
    return Verdict(
        rule=rule.kind,
        status=Status.WARN if demoted else finding.status,
        metric=metric,
        wanted=finding.wanted,
        found=finding.found,
        where=finding.where,
        reason=finding.reason,
        hint=finding.hint,
        severity=rule.severity,
        # No bound is no option; JSON has no infinity.
        options={name: value for name, value in rule.options.items() if value not in (math.inf, -math.inf)},
    )
