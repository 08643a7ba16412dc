"""Whether named groups of weights are trained: what proves that nothing was frozen or forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class WeightGroups:
    """Remembers the weights of each group as they are now, on the CPU; `read()` says how far they moved since."""

    def __init__(self, groups: Mapping[str, Iterable[Any]]) -> None:
        self._groups = {name: list(parameters) for name, parameters in groups.items()}
        self._start = {name: [_copy(weight) for weight in weights] for name, weights in self._groups.items()}

    def read(self) -> dict[str, float]:
        """`params/<group>/change`: ‖w - w0‖ / ‖w0‖ (‖w‖ where w0 is 0); `params/<group>/trainable`: a count."""
        found: dict[str, float] = {}
        for name, weights in self._groups.items():
            start = self._start[name]
            moved = _norm(_copy(weight) - old for weight, old in zip(weights, start, strict=True))
            found[f"params/{name}/change"] = moved / (_norm(start) or 1.0)
            found[f"params/{name}/trainable"] = sum(weight.numel() for weight in weights if weight.requires_grad)
        return found


def _copy(weight: Any) -> Any:
    return weight.detach().to("cpu", copy=True).float()


def _norm(tensors: Iterable[Any]) -> float:
    return float(sum(float(tensor.square().sum()) for tensor in tensors) ** 0.5)
