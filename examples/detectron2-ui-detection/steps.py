"""The losses of one step of the optimizer: means over its batches, each by its share of the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Step:
    """A step over `pictures` pictures in each process; `parts` are what its batches added so far."""

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self.parts: dict[str, float] = {}
        self.last: dict[str, float] = {}

    @property
    def loss(self) -> float:
        return sum(self.parts.values())

    def add(self, everyone: Sequence[Mapping[str, float]], pictures: int) -> float:
        """The losses of a batch in every process; the mean over the processes, which is kept in `last`."""
        self.last = {name: sum(parts[name] for parts in everyone) / len(everyone) for name in everyone[0]}
        for name, value in self.last.items():
            self.parts[name] = self.parts.get(name, 0.0) + value * pictures / self.pictures
        return sum(self.last.values())

    def row(self) -> dict[str, float]:
        """For the run log."""
        return {"train/loss": self.loss, **{f"train/loss_{name}": value for name, value in self.parts.items()}}
