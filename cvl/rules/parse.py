"""The manifest's `verification` section: what is wrong with it, and its dataclasses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cvl.params import suggest
from cvl.readers import READERS
from cvl.rules.artifact import inside
from cvl.rules.kinds import KINDS, METRIC, METRICS, NUMBER, SWITCH, Kind
from cvl.rules.model import Calibration, Metric, Option, Rule, Verification

Location = tuple[str | int, ...]
Problems = Iterator[tuple[Location, str]]
_BESIDE = ("when", "severity", "calibrated")


def parse(raw: Mapping[str, Any]) -> Verification:
    """The section as dataclasses; `problems` has found nothing in it."""
    metrics = {name: _metric(name, entry) for name, entry in (raw.get("metrics") or {}).items()}
    presets = {preset: tuple(map(_rule, rules)) for preset, rules in (raw.get("presets") or {}).items()}
    return Verification(metrics, presets)


def problems(
    raw: Mapping[str, Any], parameters: Collection[str] | None = None, presets: Collection[str] | None = None
) -> list[tuple[Location, str]]:
    """What the schema cannot see, with its place in the section; None lets parameters or presets have any name."""
    metrics = {name: _metric(name, entry) for name, entry in (raw.get("metrics") or {}).items()}
    found: list[tuple[Location, str]] = [
        (("metrics", name, "reader"), f"there is no reader {metric.reader!r}{_near(metric.reader, READERS)}")
        for name, metric in metrics.items()
        if metric.reader and metric.reader not in READERS
    ]
    for preset, entries in (raw.get("presets") or {}).items():
        at: Location = ("presets", preset)
        if presets is not None and preset not in presets:
            found.append((at, f"there is no preset {preset!r}{_near(preset, presets)}"))
        for i, entry in enumerate(entries):
            found += _entry_problems(entry, metrics, (*at, i))
            found += _when_problems(entry.get("when") or {}, parameters, (*at, i, "when"))
            found += _best_by_problems(entry.get("artifact"), metrics, parameters, (*at, i, "artifact"))
            found += _calibration_problems(entry.get("calibrated") or {}, (*at, i, "calibrated"))
    return found


def _entry_problems(entry: Mapping[str, Any], metrics: Mapping[str, Metric], at: Location) -> Problems:
    kinds = [key for key in entry if key not in _BESIDE]
    for kind in kinds:
        if kind not in KINDS:
            yield (*at, kind), f"unknown rule {kind!r}{_near(kind, KINDS)}"
    if len(kinds) != 1:
        yield at, f"one rule a list item, found {', '.join(kinds) or 'none'}"
    elif kinds[0] in KINDS:
        body = _body(kinds[0], entry[kinds[0]])
        yield from _option_problems(KINDS[kinds[0]], body, (*at, kinds[0]))
        yield from _metric_problems(kinds[0], body, metrics, (*at, kinds[0]))


def _option_problems(kind: Kind, body: Mapping[str, Any], at: Location) -> Problems:
    allowed = [*kind.options, *(("metric", "metrics") if kind.judge else ())]
    for name, value in body.items():
        if name not in allowed:
            yield (*at, name), f"unknown option {name!r}{_near(name, allowed)}"
        elif wrong := _wrong_value(kind.options.get(name, ""), name, value):
            yield (*at, name), wrong
    for name in kind.required:
        if name not in body:
            yield at, f"the option {name!r} is missing"
    if kind.any_of and not set(kind.any_of) & set(body):
        yield at, f"needs {' or '.join(map(repr, kind.any_of))}"
    if body.get("value") == "ln(classes)" and "classes" not in body:
        yield at, "ln(classes) needs 'classes': a number, or the name of a parameter"


def _wrong_value(sort: str, name: str, value: object) -> str:
    if sort == NUMBER and not _is_number(value):
        return f"{value!r} is not a number"
    if name == "value" and value not in ("ln2", "ln(classes)") and not _is_number(value):
        return f"{value!r} is not a number, ln2 or ln(classes)"
    if name == "path" and not inside(str(value)):
        return f"{value!r} is not a path in the run's folder"
    return ""


def _metric_problems(rule: str, body: Mapping[str, Any], metrics: Mapping[str, Metric], at: Location) -> Problems:
    kind, named = KINDS[rule], list(_named(body))
    if kind.judge and len(named) != 2 if kind.pair else kind.judge and not named:
        yield at, "needs two metrics: `metrics: [train, validation]`" if kind.pair else "names no metric"
    named += [(name, ("parts", i)) for i, name in enumerate(body.get("parts") or ())]
    named += [(body["reload"], ("reload",))] if "reload" in body else []
    for name, place in named:
        if name not in metrics:
            yield (*at, *place), f"unknown metric {name!r}{_near(str(name), metrics)}"
        elif (kind.needs_better or body.get("at") == "best" or place == ("reload",)) and not metrics[name].better:
            yield (*at, *place), f"the metric {name!r} needs `better: higher` or `better: lower` for this"


def _when_problems(when: Mapping[str, Any], parameters: Collection[str] | None, at: Location) -> Problems:
    for name in when:
        if name != "device" and parameters is not None and name not in parameters:
            yield (*at, name), f"{name!r} is not a declared parameter{_near(name, (*parameters, 'device'))}"


def _best_by_problems(
    artifact: object, metrics: Collection[str], parameters: Collection[str] | None, at: Location
) -> Problems:
    name = artifact.get("best_by") if isinstance(artifact, Mapping) else None
    if name is not None and parameters is not None and name not in (*metrics, *parameters):
        near = _near(str(name), (*metrics, *parameters))
        yield (*at, "best_by"), f"{name!r} is neither a metric nor a parameter{near}"


def _calibration_problems(raw: Mapping[str, Any], at: Location) -> Problems:
    if raw and len(raw["seeds"]) != raw["runs"]:
        yield (*at, "seeds"), f"{len(raw['seeds'])} seeds for {raw['runs']} runs"
    if raw and not float(raw["lowest"]) <= float(raw["mean"]) <= float(raw["highest"]):
        yield (*at, "mean"), f"{raw['mean']} does not lie between {raw['lowest']} and {raw['highest']}"


def _rule(entry: Mapping[str, Any]) -> Rule:
    kind = next(key for key in entry if key not in _BESIDE)
    body = _body(kind, entry[kind])
    return Rule(
        kind=kind,
        metrics=tuple(name for name, _ in _named(body)),
        options={name: _option(KINDS[kind].options[name], body[name]) for name in KINDS[kind].options if name in body},
        when={name: tuple(v) if isinstance(v, list) else (v,) for name, v in (entry.get("when") or {}).items()},
        severity=entry.get("severity", "error"),
        calibrated=_calibration(entry["calibrated"]) if "calibrated" in entry else None,
    )


def _calibration(raw: Mapping[str, Any]) -> Calibration:
    numbers = {name: float(raw[name]) for name in ("lowest", "highest", "mean", "sd")}
    return Calibration(**{**raw, **numbers, "seeds": tuple(raw["seeds"])})


def _metric(name: str, entry: Mapping[str, Any]) -> Metric:
    # A key that ends in `loss` is one, unless the manifest says otherwise.
    kind = entry.get("kind") or ("loss" if re.search(r"(^|[/_ ])loss$", entry["key"]) else None)
    return Metric(
        name=name,
        key=entry["key"],
        reader=entry.get("reader"),
        better=entry.get("better") or ("lower" if kind == "loss" else None),
        scale=entry.get("scale", "fraction"),
        kind=kind,
        signed=entry.get("signed", False),
    )


def _body(kind: str, raw: Any) -> Mapping[str, Any]:
    """The options of a rule, from its short forms too: a name, a list of names."""
    if isinstance(raw, Mapping):
        return raw
    if KINDS[kind].judge_run:
        return {"path": raw}
    return {"metric": raw} if isinstance(raw, str) else {"metrics": raw}


def _named(body: Mapping[str, Any]) -> Iterator[tuple[str, Location]]:
    """The metrics that a rule names, and where."""
    if "metric" in body:
        yield body["metric"], ("metric",)
    for i, name in enumerate(body.get("metrics") or ()):
        yield name, ("metrics", i)


def _option(sort: str, raw: Any) -> Option:
    if sort == NUMBER:
        return raw if isinstance(raw, (int, float)) else float(raw)
    if sort == SWITCH:
        return bool(raw)
    return tuple(raw) if sort == METRICS else str(raw) if sort != METRIC else raw


def _is_number(raw: object) -> bool:
    try:
        return not isinstance(raw, bool) and float(str(raw)) is not None
    except ValueError:
        return False


def _near(name: str, known: Iterable[str]) -> str:
    match = suggest(name, known)
    return f", did you mean {match}?" if match else ""
