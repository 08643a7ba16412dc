"""Swin-Unet (Cao et al. 2021, arXiv 2105.05537): a U-Net of Swin blocks, patches merged going down, expanded going up.

Maps are (N, H, W, C) throughout. The names inside the encoder are those of timm's Swin Transformer, whose weights fit.
As in the paper's figure a skip connection carries what a stage puts out (the published code: what comes in).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from swin_block import SwinBlock
from torch import Tensor, nn

from cvl.errors import UsageError

PATCH = 4
DEPTHS = (2, 2, 2, 2)
HEAD_CHANNELS = 32
DROP_PATH = 0.1
# At which size of windows the stages of an image divide; others are padded, and the padding is masked.
WINDOWS = (7, 8)


def window_for(image_size: tuple[int, int]) -> int:
    """7 as in the paper, or 8 where that divides the deepest map of `image_size` (H, W) and 7 does not."""
    deepest = PATCH * 2 ** (len(DEPTHS) - 1)
    fitting = (window for window in WINDOWS if all(side % (deepest * window) == 0 for side in image_size))
    return next(fitting, WINDOWS[0])


class SwinUnet(nn.Module):
    """Images (N, 3, H, W) of any size to logits (N, 1, H, W); `image_size` (H, W) decides how large windows are."""

    def __init__(self, image_size: tuple[int, int], embed_dim: int = 96) -> None:
        if embed_dim % HEAD_CHANNELS or embed_dim <= 0:
            raise UsageError(
                f"EMBED_DIM is {embed_dim}: every attention head has {HEAD_CHANNELS} channels",
                hint="96 as published, 64 or 32 for a smaller network",
            )
        super().__init__()
        window = window_for(image_size)
        self.encoder = Encoder(embed_dim, window)
        self.decoder = Decoder(embed_dim, window)
        self.segmentation_head = nn.Conv2d(embed_dim, 1, kernel_size=1, bias=False)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        deepest = PATCH * 2 ** (len(DEPTHS) - 1)
        padded = F.pad(images, (0, -width % deepest, 0, -height % deepest), mode="replicate")
        up = self.decoder(self.encoder(padded))
        return self.segmentation_head(up.permute(0, 3, 1, 2))[..., :height, :width]


class Encoder(nn.Module):
    """Images to a map from each stage: 1/4, 1/8, 1/16 and 1/32 of the size, `dim` channels doubled each time."""

    def __init__(self, dim: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.patch_embed = PatchEmbed(dim)
        self.layers = nn.ModuleList(
            Stage(dim * 2**i, i, window, PatchMerging(dim * 2 ** (i - 1)) if i else nn.Identity())
            for i in range(len(DEPTHS))
        )
        self.norm = nn.LayerNorm(dim * 2 ** (len(DEPTHS) - 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = [self.patch_embed(images)]
        for stage in self.layers:
            maps.append(stage(maps[-1]))
        return [*maps[1:-1], self.norm(maps[-1])]


class Decoder(nn.Module):
    """The encoder's maps to one at the size of the image: expand, join the skip connection, blend, transform."""

    def __init__(self, dim: int, window: int) -> None:
        super().__init__()
        stages = range(len(DEPTHS) - 2, -1, -1)
        self.expands = nn.ModuleList(PatchExpand(dim * 2 ** (i + 1), 2, dim * 2**i) for i in stages)
        self.blends = nn.ModuleList(nn.Linear(2 * dim * 2**i, dim * 2**i) for i in stages)
        self.layers = nn.ModuleList(Stage(dim * 2**i, i, window, nn.Identity()) for i in stages)
        self.norm = nn.LayerNorm(dim)
        self.last_expand = PatchExpand(dim, PATCH, dim)

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, x = maps
        for expand, blend, stage in zip(self.expands, self.blends, self.layers, strict=True):
            x = stage(blend(torch.cat([expand(x), skips.pop()], dim=-1)))
        return self.last_expand(self.norm(x))


class Stage(nn.Module):
    """The blocks of one size, every second one with shifted windows; `number` counts from the finest."""

    def __init__(self, dim: int, number: int, window: int, downsample: nn.Module) -> None:
        super().__init__()
        rates = torch.linspace(0, DROP_PATH, sum(DEPTHS)).tolist()[sum(DEPTHS[:number]) :]
        self.downsample = downsample
        self.blocks = nn.Sequential(
            *(
                SwinBlock(dim, heads=dim // HEAD_CHANNELS, window=window, shifted=bool(i % 2), drop_path=rates[i])
                for i in range(DEPTHS[number])
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class PatchEmbed(nn.Module):
    """Each patch of 4 x 4 pixels becomes a vector."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """Half the size, twice the channels: four neighbours side by side, then a linear map."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, dim = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, dim).permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduction(self.norm(x))


class PatchExpand(nn.Module):
    """`factor` times the size, `to` channels: a linear map makes the channels that become the new neighbours."""

    def __init__(self, dim: int, factor: int, to: int) -> None:
        super().__init__()
        self.factor, self.to = factor, to
        self.expand = nn.Linear(dim, factor**2 * to, bias=False)
        self.norm = nn.LayerNorm(to)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, _ = x.shape
        x = self.expand(x).reshape(n, height, width, self.factor, self.factor, self.to)
        return self.norm(x.permute(0, 1, 3, 2, 4, 5).reshape(n, height * self.factor, width * self.factor, self.to))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
