"""Weights to start from: COCO's from the zoo, ImageNet's for the backbone, those of a file, or none."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from configuration import OURS, base, zoo_file
from library import DetectionCheckpointer, model_zoo

from cvl.errors import UsageError
from cvl.kit import imagenet, weights
from cvl.kit.run import say

SERVER = "https://dl.fbaipublicfiles.com/detectron2/"
# What a pickle of arrays is made of; anything else in one is refused, not run.
_ARRAYS = {
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


@dataclass(frozen=True)
class Start:
    """`kind` is what WEIGHTS turned out to be: none, coco, imagenet or a file; `file` None: none, or the package."""

    kind: str
    file: Path | None = None


def find(wanted: str, model: str) -> Start:
    """What WEIGHTS names for `model`, fetched where it must be; what cannot be had is said aloud."""
    if wanted == "none":
        say("weights: none, training from scratch")
        return Start("none")
    if wanted == "imagenet" or (wanted == "auto" and model == OURS):
        return _imagenet(model)
    if wanted in ("auto", "coco"):
        return _coco(model)
    file = Path(wanted)
    if not file.is_file():
        raise UsageError(f"WEIGHTS={file}: there is no such file", hint="auto, coco, imagenet, none, or a file")
    return Start(wanted, file)


def load(network: Any, start: Start) -> None:
    """Loads what fits by name and shape, and says what does not: heads for other classes begin anew."""
    if start.kind == "none":
        return
    if start.file is None:
        encoder = network.backbone.bottom_up.encoder
        encoder.load_state_dict(imagenet.lite0(encoder.state_dict()))
        say(f"weights: ImageNet's for the backbone, from the package {imagenet.PACKAGE}")
        return
    found = DetectionCheckpointer(network)._load_model(_read(start.file))
    fresh = [*found.missing_keys, *(name for name, *_ in found.incorrect_shapes)]
    if {name for name, _ in network.named_parameters()} <= {*fresh}:
        raise UsageError(
            f"WEIGHTS={start.file}: none of its tensors fits the model", hint="MODEL must be that of the weights"
        )
    anew = f"; not in it, or of another shape: {', '.join(_places(fresh))}" if fresh else ""
    say(f"weights: {start.file.name}{anew}")


def _imagenet(model: str) -> Start:
    if model == OURS:
        if imagenet.installed():
            return Start("imagenet")
        say(f"the package {imagenet.PACKAGE} is not installed: training from scratch")
        return Start("none")
    place = str(base(model).MODEL.WEIGHTS).removeprefix("detectron2://")
    return _fetched("imagenet", f"{SERVER}{place}")


def _coco(model: str) -> Start:
    if model == OURS:
        raise UsageError(f"WEIGHTS=coco: nobody trained {model} on COCO", hint="WEIGHTS=imagenet")
    return _fetched("coco", model_zoo.get_checkpoint_url(zoo_file(model)))


def _fetched(kind: str, url: str) -> Start:
    file = weights.fetch(url, url.rsplit("/", 1)[1])
    if file is None:
        say("training from scratch; WEIGHTS=FILE takes weights from the disk")
        return Start("none")
    return Start(kind, file)


class _Arrays(pickle.Unpickler):
    """Arrays and the containers around them, nothing that runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def _read(file: Path) -> dict[str, Any]:
    """What the library's checkpointer takes: the model's tensors, and whether their names must be matched."""
    try:
        if file.suffix == ".pkl":
            with file.open("rb") as opened:
                content = _Arrays(opened, encoding="latin1").load()
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"WEIGHTS={file}: {error.strerror or error}") from error
    except Exception as error:  # what a file of anything makes a loader raise is anything
        raise UsageError(
            f"WEIGHTS={file}: holds no weights ({type(error).__name__})", hint="a .pkl or .pth of the zoo, or a .pt"
        ) from error
    found = _named(content, file.suffix) if isinstance(content, dict) else {"model": None}
    tensors = found["model"].values() if isinstance(found["model"], dict) else [None]
    if not all(isinstance(tensor, (np.ndarray, torch.Tensor)) for tensor in tensors):
        raise UsageError(f"WEIGHTS={file}: holds other things than weights", hint="a .pkl or .pth of the zoo, or a .pt")
    return found


def _named(content: dict[str, Any], suffix: str) -> dict[str, Any]:
    if isinstance(content.get("model"), dict):
        return {key: content[key] for key in ("model", "__author__", "matching_heuristics") if key in content}
    blobs = content.get("blobs", content)
    if suffix == ".pkl" and isinstance(blobs, dict):  # of Caffe2, as the ImageNet weights are
        kept = {name: value for name, value in blobs.items() if not str(name).endswith("_momentum")}
        return {"model": kept, "__author__": "Caffe2", "matching_heuristics": True}
    return {"model": content}


def _places(names: Iterable[str]) -> list[str]:
    """The parts of the network that tensors belong to, each once."""
    return list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
