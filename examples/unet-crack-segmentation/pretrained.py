"""Weights to start from: ImageNet's for the encoder, or those of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from swin_unet import DEPTHS, PATCH, SwinUnet
from torch import Tensor, nn

from cvl.errors import UsageError
from cvl.kit import imagenet
from cvl.kit.run import say
from cvl.kit.weights import answers

SWIN = "swin_tiny_patch4_window7_224"
SWIN_DIM = 96
PACKAGED = "tu-tf_efficientnet_lite0"  # smp has a variant of its own (timm-…) with other padding

State = Mapping[str, Tensor]


def load(model: nn.Module, encoder: str, weights: str) -> str:
    """Loads `weights` (imagenet, none or a file) into the model; what was really loaded.

    ImageNet weights that cannot be had are said and leave the model as it is: "none".
    """
    if weights == "none":
        return weights
    if weights != "imagenet":
        _from_file(model, Path(weights))
        return weights
    name = SWIN if isinstance(model, SwinUnet) else encoder
    packaged = imagenet.lite0(model.encoder.state_dict()) if name == PACKAGED else None
    if packaged is not None:
        say(f"ImageNet weights of {encoder} from the package {imagenet.PACKAGE}")
        model.encoder.load_state_dict(packaged)
        return weights
    try:
        with _impatient():
            state = _of_swin(model) if isinstance(model, SwinUnet) else _of_encoder(encoder)
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"there are no ImageNet weights for {name}: {error.args[0]}", hint="WEIGHTS=none") from error
    except OSError as error:
        reason = str(error).partition(". ")[0]
        say(f"the ImageNet weights of {name} are not here: {reason}")
        say("training from scratch; WEIGHTS=FILE takes an encoder's weights or a checkpoint")
        return "none"
    model.encoder.load_state_dict(state)
    return weights


def _of_encoder(encoder: str) -> State:
    universal = encoder.startswith("tu-")
    return smp.encoders.get_encoder(encoder, weights=True if universal else "imagenet").state_dict()


def _of_swin(model: SwinUnet) -> State:
    """timm's Swin-T, as in the paper: what fits by name, the bias tables brought to the size of the windows."""
    if (dim := model.segmentation_head.in_channels) != SWIN_DIM:
        raise UsageError(
            f"the ImageNet weights of MODEL=swin_unet have EMBED_DIM={SWIN_DIM}, asked for {dim}", hint="WEIGHTS=none"
        )
    window = model.encoder.window
    smallest = PATCH * 2 ** (len(DEPTHS) - 1) * window  # timm makes windows no larger than its deepest map
    state = timm.create_model(SWIN, pretrained=True, window_size=window, img_size=smallest).state_dict()
    return {name: state[name] for name in model.encoder.state_dict()}


@contextmanager
def _impatient() -> Iterator[None]:
    """Where the hub does not answer within seconds only its cache is asked: its own retries take up to a minute."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not answers(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _from_file(model: nn.Module, file: Path) -> None:
    """A checkpoint of this model, or a state dict of it or of its encoder; all of it must fit."""
    state = _read(file)
    whole = state.keys() & model.state_dict().keys()
    target, kind = (model, "model") if whole else (model.encoder, "encoder")
    wanted = target.state_dict()
    wrong = sorted(
        {name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape}
        | (wanted.keys() ^ state.keys())
    )
    if wrong:
        raise UsageError(
            f"WEIGHTS={file} does not fit the {kind}: {len(wrong)} tensors differ, {wrong[0]} first",
            hint="MODEL, ENCODER, EMBED_DIM and IMAGE_SIZE must be those it was saved with",
        )
    target.load_state_dict(state)
    say(f"weights of the {kind} from {file}")


def _read(file: Path) -> State:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"WEIGHTS={file}: {error.strerror or error}", hint="imagenet, none or a file") from error
    except Exception as error:  # what a file of anything makes torch.load raise is anything
        raise _no_weights(file) from error
    state = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()) or not state:
        raise _no_weights(file)
    return state


def _no_weights(file: Path) -> UsageError:
    return UsageError(
        f"WEIGHTS={file} holds no weights", hint="a state dict (.pt, .pth, .safetensors), or a checkpoint"
    )
