"""What rules are made of: metrics, rules, the run they are judged on, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from cvl.readers.base import Reading

Readings = Mapping[str, Reading]
Option = float | int | bool | str | tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """Where a metric is logged. A `*` in `key` stands for any text: the metric is the sum of all such columns."""

    name: str
    key: str
    reader: str | None = None
    better: str | None = None  # higher | lower
    scale: str = "fraction"  # fraction | percent
    kind: str | None = None  # loss | other
    signed: bool = False


@dataclass(frozen=True)
class Calibration:
    """The runs that a bound was measured on; `parameters` are values that turned out other than they were set."""

    date: str
    runs: int
    seeds: tuple[int, ...]
    lowest: float
    highest: float
    mean: float
    sd: float
    device: str  # cpu | cuda
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)


def alternatives(values: Sequence[object]) -> str:
    """Values of a parameter as they are shown: the first three."""
    words = [str(value).lower() if value is None or isinstance(value, bool) else str(value) for value in values]
    return "|".join([*words[:3], *(["…"] if len(words) > 3 else [])])


@dataclass(frozen=True)
class Rule:
    """One demand on one preset's log, as the manifest states it."""

    kind: str
    metrics: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    when: Mapping[str, tuple[object, ...]] = field(default_factory=dict)  # any of these values
    severity: str = "error"  # error | warn | info
    calibrated: Calibration | None = None

    def __str__(self) -> str:
        when = [f"when {name}={alternatives(values)}" for name, values in self.when.items()]
        return ", ".join(filter(None, [" ".join([self.kind, *self.metrics]), self.terms(), *when]))

    def terms(self) -> str:
        """The options in words."""
        return ", ".join(f"{name} {_shown(value)}" for name, value in self.options.items())


@dataclass(frozen=True)
class Verification:
    """The manifest's `verification` section."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    presets: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """The run: `parameters` are effective values; calibrated bounds do not hold where something was `changed`.

    `changed` maps a parameter's name to what changed, in words; a rule whose `when` names the parameter allows for it.
    `turned` holds the effective values that are other than what was asked for; `renew` is the command that calibrates.
    `siblings` are the logs of comparable runs with other seeds, `runs` those of the runs that rules name.
    `judged` are the (rule, metric) of the verdicts in the run's own record; empty where it has none.
    """

    folder: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    device: str = "cpu"  # cpu | cuda
    preset_own_epochs: bool = False
    changed: Mapping[str, str] = field(default_factory=dict)
    turned: Mapping[str, object] = field(default_factory=dict)
    renew: str = ""
    hardware: tuple[str, ...] = ()  # the GPUs' and the CPU's names
    seconds: float | None = None
    siblings: tuple[Readings, ...] = ()
    runs: Mapping[str, Readings] = field(default_factory=dict)
    judged: frozenset[tuple[str, str]] = frozenset()


class Status(str, Enum):
    """What became of a rule; the last two are not passes."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    NOT_RUN = "not_run"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True)
class Where:
    """The place in a log; the file is relative to the run's folder."""

    file: str = ""
    step: int | None = None
    epoch: float | None = None

    def __str__(self) -> str:
        place = "" if self.epoch is None else f"epoch {self.epoch:g}"
        if self.step is not None and self.step != self.epoch:
            place = f"step {self.step}" + (f" ({place})" if place else "")
        return " ".join(filter(None, (self.file, place)))


@dataclass(frozen=True)
class Verdict:
    """What a rule says about a run."""

    rule: str
    status: Status
    metric: str = ""
    wanted: str = ""
    found: str = ""
    where: Where = Where()
    reason: str = ""
    hint: str = ""
    severity: str = "error"
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)  # of the rule, as the manifest has them

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status.value}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Verdict:
        return cls(**{**raw, "status": Status(raw["status"]), "where": Where(**raw["where"])})


def _shown(value: Option) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
