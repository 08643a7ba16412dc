"""The networks by name. Every one takes images (N, 3, H, W) and gives logits (N, 1, H, W)."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pretrained
import recompute
import segmentation_models_pytorch as smp
import timm
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP, ASPPPooling
from swin_unet import SwinUnet
from torch import nn

from cvl.errors import UsageError

SWIN = f"tu-{pretrained.SWIN}"


def build(name: str, encoder: str, *, weights: str, image_size: tuple[int, int], embed_dim: int) -> nn.Module:
    """The network `name`; swin_unet brings its own encoder, and alone goes by `image_size` (H, W) and `embed_dim`.

    `weights` is imagenet, none, or a file (an encoder's, or a checkpoint of this example). What was really
    loaded is the model's attribute `pretrained`: imagenet where the hub answers or has it cached, else none.
    """
    if name not in MODELS:
        raise UsageError(f"there is no MODEL {name}", hint=f"one of {', '.join(MODELS)}")
    model = SwinUnet(image_size, embed_dim) if name == "swin_unet" else _with_encoder(name, encoder)
    model.pretrained = pretrained.load(model, encoder, weights)
    return model


def groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """All parameters, each in one group; the decoder includes what lies between it and the encoder."""
    parts = {"encoder": model.encoder, "decoder": model.decoder, "head": model.segmentation_head}
    return {name: list(part.parameters()) for name, part in parts.items()}


def multiple(model: nn.Module) -> int:
    """What height and width of an input must divide by (1: it takes any)."""
    return 1 if isinstance(model, SwinUnet) else int(model.encoder.output_stride)


def grad_checkpoint(model: nn.Module) -> None:
    """Activations of the encoder are computed again in the backward pass: less memory, more time, the same result."""
    recompute.encoder_blocks(model.encoder)


def _with_encoder(name: str, encoder: str) -> nn.Module:
    _check_encoder(name, encoder)
    options = {"strict_img_size": False} if "swin" in encoder else {}  # else it takes one size alone
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            model = MODELS[name](encoder_name=encoder, encoder_weights=None, classes=1, **options)
    except (ValueError, RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"MODEL={name} cannot be built on ENCODER={encoder}: {error}",
            hint="ENCODER=resnet34 fits every MODEL but unet_swin",
        ) from error
    for part in _poolings(model):
        part[2] = nn.GroupNorm(32, part[2].num_features)
    return model


def _check_encoder(name: str, encoder: str) -> None:
    if name == "unet_swin" and "swin" not in encoder:
        raise UsageError(f"MODEL=unet_swin needs a Swin encoder, not {encoder}", hint=f"ENCODER={SWIN}")
    universal = encoder.startswith("tu-")
    known = [f"tu-{found}" for found in timm.list_models()] if universal else smp.encoders.get_encoder_names()
    if encoder.partition(".")[0] not in known:
        near = [found for found in known if found.startswith(encoder)] or difflib.get_close_matches(encoder, known)
        raise UsageError(f"there is no ENCODER {encoder}", hint=f"did you mean {', '.join(near[:3]) or 'resnet34'}?")


def _poolings(model: nn.Module) -> Iterator[ASPPPooling]:
    """The branches that pool a picture to one value a channel: BatchNorm cannot normalise those of a single picture."""
    return (part for part in model.modules() if isinstance(part, ASPPPooling))


def _unet_aspp(**options: Any) -> nn.Module:
    """A U-Net whose deepest map passes atrous spatial pyramid pooling (Chen et al. 2018).

    Rates 3, 6, 9 at 1/32 of the input see as far as DeepLab's 6, 12, 18 at 1/16.
    """
    model = smp.Unet(**options)
    channels = model.encoder.out_channels[-1]
    model.decoder.center = ASPP(channels, channels, (3, 6, 9), separable=True, dropout=0.1)
    return model


MODELS: dict[str, Callable[..., nn.Module]] = {
    "unet": smp.Unet,
    "unetplusplus": smp.UnetPlusPlus,
    "unet_aspp": _unet_aspp,
    "unet_swin": smp.Unet,
    "swin_unet": SwinUnet,
    "segformer": smp.Segformer,
    "deeplabv3plus": smp.DeepLabV3Plus,
    "fpn": smp.FPN,
}
