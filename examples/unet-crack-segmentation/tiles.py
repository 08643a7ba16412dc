"""Pictures of any size through a network of one size: a window slides over them, and thin cracks keep their width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Tiles:
    """Windows of `size` (height, width) of which neighbours share `overlap`, `batch` of them at a time."""

    size: tuple[int, int]
    overlap: float
    batch: int

    def logits(self, model: nn.Module, image: Tensor) -> Tensor:
        """(1, 3, H, W) in, (1, 1, H, W) out; where windows overlap their middle counts more than their rim."""
        height, width = image.shape[-2:]
        missing = [max(0, side - length) for side, length in zip(self.size, (height, width), strict=True)]
        image = functional.pad(image, (0, missing[1], 0, missing[0]), mode="replicate")
        weight = self._weight().to(image.device)
        total = image.new_zeros(image.shape[-2:])
        seen = torch.zeros_like(total)
        places = self._places(image.shape[-2], image.shape[-1])
        while corners := list(islice(places, self.batch)):
            windows = torch.cat([image[..., y : y + self.size[0], x : x + self.size[1]] for y, x in corners])
            for (y, x), found in zip(corners, model(windows).float(), strict=True):
                total[y : y + self.size[0], x : x + self.size[1]] += weight * found[0]
                seen[y : y + self.size[0], x : x + self.size[1]] += weight
        return (total / seen)[None, None, :height, :width]

    def _places(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        rows, columns = (_starts(*each, self.overlap) for each in zip((height, width), self.size, strict=True))
        return ((y, x) for y in rows for x in columns)

    def _weight(self) -> Tensor:
        """A tent, 1 in the middle, above 0 at the rim."""
        ramps = [torch.minimum(torch.arange(1, n + 1), torch.arange(n, 0, -1)) / ((n + 1) // 2) for n in self.size]
        return torch.outer(*ramps)


def _starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin, evenly spread, so that the last one ends with the picture."""
    free = length - window
    count = -(-free // max(1, round(window * (1 - overlap)))) + 1
    return [round(i * free / max(1, count - 1)) for i in range(count)]
