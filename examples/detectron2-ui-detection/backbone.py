"""A backbone that Detectron2 does not have: timm's EfficientNet-Lite0 under a feature pyramid.

It shows how a model of one's own joins the library, by name through its registry. It is light enough for a CPU, and its
ImageNet weights come with a package, so that machines without a network start from more than nothing.
"""

from __future__ import annotations

from typing import Any

import timm
from library import BACKBONE_REGISTRY, FPN, Backbone, LastLevelMaxPool, ShapeSpec
from torch import Tensor, nn

ENCODER = "tf_efficientnet_lite0"
_STAGES = ("res2", "res3", "res4", "res5")  # the library's names for what has 1/4 … 1/32 of the picture's size
# Which of timm's blocks belong to the stem and to res2 … res5: FREEZE counts these.
_BLOCKS = ((0,), (1,), (2,), (3, 4), (5, 6))


class Lite0(Backbone):
    """Features of four stages; the first `frozen` of the stem and the stages are not trained."""

    def __init__(self, *, norm: str, frozen: int) -> None:
        super().__init__()
        self.encoder = timm.create_model(ENCODER, features_only=True, pretrained=False, out_indices=(1, 2, 3, 4))
        self._shapes = {
            name: ShapeSpec(channels=channels, stride=stride)
            for name, channels, stride in zip(
                _STAGES, self.encoder.feature_info.channels(), self.encoder.feature_info.reduction(), strict=True
            )
        }
        frozen_parts = self._parts(frozen)
        for part in frozen_parts:
            part.requires_grad_(False)
        # Where statistics came with the weights they stay: means over the few pictures of a step would be noise.
        self._still = [
            module
            for part in ([self] if norm == "FrozenBN" else frozen_parts)
            for module in part.modules()
            if isinstance(module, nn.BatchNorm2d)
        ]
        for module in self._still:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Lite0:
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return dict(zip(_STAGES, self.encoder(images), strict=True))

    def output_shape(self) -> dict[str, Any]:
        return self._shapes

    def _parts(self, frozen: int) -> list[nn.Module]:
        stem = [self.encoder.conv_stem, self.encoder.bn1] if frozen else []
        return stem + [self.encoder.blocks[i] for blocks in _BLOCKS[:frozen] for i in blocks]


@BACKBONE_REGISTRY.register()
def build_lite0_fpn_backbone(cfg: Any, input_shape: Any) -> Any:
    """What MODEL.BACKBONE.NAME refers to."""
    return FPN(
        bottom_up=Lite0(norm=cfg.MODEL.RESNETS.NORM, frozen=cfg.MODEL.BACKBONE.FREEZE_AT),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )
