"""The best value so far, and when waiting for a better one is over."""

from __future__ import annotations

import math
from typing import Any


class Best:
    """Keeps the best of the values it is shown; `patience` values in a row without gain mean `stop` (0: never)."""

    def __init__(self, higher: bool, patience: int) -> None:
        self._higher = higher
        self._patience = patience
        self.value: float | None = None
        self.waited = 0

    def update(self, value: float) -> bool:
        """Whether `value` is the best so far. Ties go to the earliest; NaN and the infinities are never the best."""
        better = math.isfinite(value) and (self.value is None or self._beats(value, self.value))
        if better:
            self.value, self.waited = float(value), 0
        else:
            self.waited += 1
        return better

    @property
    def stop(self) -> bool:
        return 0 < self._patience <= self.waited

    def state_dict(self) -> dict[str, Any]:
        """What was seen; `higher` and `patience` are the caller's, who may wait longer when a run goes on."""
        return {"value": self.value, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value, self.waited = state["value"], state["waited"]

    def _beats(self, value: float, other: float) -> bool:
        return value > other if self._higher else value < other
