"""The Swin block (Liu et al. 2021): attention inside windows, shifted in every second block, then two linear layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp
from torch import Tensor, nn


class SwinBlock(nn.Module):
    """Maps (N, H, W, C) of any size to the same shape."""

    def __init__(self, dim: int, *, heads: int, window: int, shifted: bool, drop_path: float) -> None:
        super().__init__()
        self.window, self.shifted = window, shifted
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden_features=4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self._attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        """Padded to whole windows, rolled by half a window so that the next windows overlap these, cut, and back."""
        size = x.shape[1:3]
        shift = tuple(self.window // 2 if self.shifted and side > self.window else 0 for side in size)
        x = F.pad(x, (0, 0, 0, -size[1] % self.window, 0, -size[0] % self.window))
        padded = x.shape[1:3]
        mask = together(size, shift, self.window, x.device) if padded != size or any(shift) else None
        rolled = x.roll((-shift[0], -shift[1]), dims=(1, 2))
        attended = join(self.attn(cut(rolled, self.window), mask), padded, self.window)
        return attended.roll(shift, dims=(1, 2))[:, : size[0], : size[1]]


class WindowAttention(nn.Module):
    """Attention among the pixels of a window, with a learned bias for each offset between two of them."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("offsets", offsets(window), persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """(N, windows, pixels, C); `mask` (windows, pixels, pixels) is true where one pixel may look at another."""
        n, count, pixels, dim = windows.shape
        qkv = self.qkv(windows).reshape(n, count, pixels, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        bias = self.relative_position_bias_table[self.offsets].permute(2, 0, 1)
        if mask is not None:
            bias = bias.masked_fill(~mask[:, None], float("-inf"))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(out.transpose(2, 3).reshape(n, count, pixels, dim))


def cut(x: Tensor, window: int) -> Tensor:
    """(N, H, W, C) to (N, windows, pixels, C)."""
    n, height, width, dim = x.shape
    x = x.reshape(n, height // window, window, width // window, window, dim)
    return x.transpose(2, 3).reshape(n, -1, window * window, dim)


def join(windows: Tensor, size: tuple[int, int], window: int) -> Tensor:
    """What `cut` undoes: (N, windows, pixels, C) to (N, H, W, C)."""
    n, dim = windows.shape[0], windows.shape[-1]
    x = windows.reshape(n, size[0] // window, size[1] // window, window, window, dim)
    return x.transpose(2, 3).reshape(n, *size, dim)


def together(size: tuple[int, int], shift: tuple[int, int], window: int, device: torch.device) -> Tensor:
    """(windows, pixels, pixels): whether two pixels of a window may look at each other.

    Not a pixel and padding, and not two that came from opposite borders of the map when it was rolled.
    """
    rows, columns = (_regions(side, by, window, device) for side, by in zip(size, shift, strict=True))
    region = torch.where((rows[:, None] < 0) | (columns < 0), -1, 2 * rows[:, None] + columns)
    flat = cut(region[None, :, :, None], window)[0, :, :, 0]
    return flat[:, :, None] == flat[:, None, :]


def _regions(side: int, shift: int, window: int, device: torch.device) -> Tensor:
    """For each row of a padded and rolled map: 1 if it came round from the other border, -1 if it is padding, or 0."""
    padded = side + -side % window
    index = torch.arange(padded, device=device)
    region = (index >= padded - shift).long()
    return region.masked_fill((index + shift) % padded >= side, -1)


def offsets(window: int) -> Tensor:
    """(pixels, pixels): the row of the bias table for each pair of pixels of a window."""
    row, column = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    down = row.flatten()[:, None] - row.flatten() + window - 1
    right = column.flatten()[:, None] - column.flatten() + window - 1
    return down * (2 * window - 1) + right
