"""Optimisers and learning-rate schedules by name, counted in optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from cvl.errors import UsageError
from cvl.kit.stopping import Best

_OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": lambda groups, **options: torch.optim.SGD(groups, momentum=0.9, nesterov=True, **options),
    "rmsprop": lambda groups, **options: torch.optim.RMSprop(groups, momentum=0.9, **options),
}
OPTIMIZERS = tuple(_OPTIMIZERS)


def optimizer(name: str, groups: Mapping[str, Iterable[Any]], *, lr: float, weight_decay: float) -> Any:
    """The optimizer of every trainable parameter in `groups`; biases and norms (one dimension) never decay.

    Its param_groups carry `name`: the group's, with `/no_decay` for what does not decay.
    """
    if name not in _OPTIMIZERS:
        raise UsageError(f"OPTIMIZER {name}: is none of {', '.join(_OPTIMIZERS)}")
    made: list[dict[str, Any]] = []
    taken: set[int] = set()
    for group, parameters in groups.items():
        trained = {id(p): p for p in parameters if p.requires_grad and id(p) not in taken}  # tied weights come twice
        taken |= trained.keys()
        decayed = [p for p in trained.values() if p.ndim > 1]
        plain = [p for p in trained.values() if p.ndim <= 1]
        made += [{"name": group, "params": decayed, "weight_decay": weight_decay}] if decayed else []
        made += [{"name": f"{group}/no_decay", "params": plain, "weight_decay": 0.0}] if plain else []
    if not made:
        raise UsageError("there is nothing to train: every parameter is frozen")
    return _OPTIMIZERS[name](made, lr=lr)


class Schedule:
    """Sets the learning rate of every group to its first one times a factor: call `after_step()` and `after_epoch()`.

    The factor depends on the optimizer steps done alone, for `plateau` also on the metric: what is resumed goes on as
    if it had never stopped, and a rate of 0 stays 0.
    """

    def __init__(self, optimizer: Any, shape: Callable[[int], float], plateau: Plateau | None = None) -> None:
        self._optimizer = optimizer
        self._shape = shape
        self._plateau = plateau
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._done = 0
        self._set()

    @property
    def lr(self) -> float:
        """The learning rate of the next step (of the first group)."""
        return float(self._optimizer.param_groups[0]["lr"])

    def after_step(self) -> None:
        self._done += 1
        self._set()

    def after_epoch(self, metric: float | None = None) -> None:
        """`metric` is what EARLY_STOP_METRIC names, None where the epoch was not validated."""
        if self._plateau and metric is not None:
            self._plateau.update(metric)
            self._set()

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done, "plateau": self._plateau.state_dict() if self._plateau else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Call it after the optimizer's own, which sets the rates of the checkpoint: those asked for now hold."""
        self._done = state["done"]
        if self._plateau and state["plateau"]:
            self._plateau.load_state_dict(state["plateau"])
        self._set()

    def _set(self) -> None:
        factor = self._shape(self._done) * (self._plateau.factor if self._plateau else 1.0)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor


class Plateau:
    """A factor that falls by `gamma` after more than `patience` metrics in a row without gain."""

    def __init__(self, *, gamma: float, patience: int, higher: bool) -> None:
        self._gamma = gamma
        self._best = Best(higher, patience + 1)
        self.factor = 1.0

    def update(self, metric: float) -> None:
        self._best.update(metric)
        if self._best.stop:
            self.factor *= self._gamma
            self._best.waited = 0

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor, "best": self._best.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.factor = state["factor"]
        self._best.load_state_dict(state["best"])


def schedule(
    name: str,
    optimizer: Any,
    *,
    steps: int,
    warmup_steps: int = 0,
    step_size: int = 1,
    gamma: float = 0.1,
    patience: int = 10,
    higher: bool = True,
) -> Schedule:
    """The schedule `name` over `steps` optimizer steps, the first `warmup_steps` of which rise linearly from near 0.

    cosine and poly (of power .9) fall to 0; step falls by `gamma` every `step_size` optimizer steps; plateau by
    `gamma` after more than `patience` validations without gain (`higher`: whether more is a gain); onecycle rises
    over the warm-up (without one: 30 %) and falls to almost 0.
    """
    after = max(1, steps - warmup_steps)

    def share(done: int) -> float:
        return min(1.0, max(0, done - warmup_steps) / after)

    shapes: dict[str, Callable[[int], float]] = {
        "constant": lambda done: 1.0,
        "plateau": lambda done: 1.0,
        "cosine": lambda done: (1 + math.cos(math.pi * share(done))) / 2,
        "poly": lambda done: (1 - share(done)) ** 0.9,
        "step": lambda done: gamma ** (done // step_size),
        "onecycle": lambda done: _one_cycle(done, steps, warmup_steps or 0.3 * steps),
    }
    if name not in shapes:
        raise UsageError(f"SCHEDULER {name}: is none of {', '.join(shapes)}")
    shape = shapes[name]
    warmup = 0 if name == "onecycle" else warmup_steps
    plateau = Plateau(gamma=gamma, patience=patience, higher=higher) if name == "plateau" else None
    return Schedule(optimizer, lambda done: shape(done) * min(1.0, (done + 1) / (warmup + 1)), plateau)


def _one_cycle(done: int, steps: int, rise: float) -> float:
    """Cosines from 1/25 up to 1 and down to 1/250,000 as in torch's OneCycleLR."""
    low, lowest = 1 / 25, 1 / 25 / 1e4
    top = rise - 1
    if done < top:
        return _between(low, 1.0, done / top)
    return _between(1.0, lowest, min(1.0, (done - top) / max(1.0, steps - 1 - top)))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
