"""Export the trained model, and prove on real pictures that the exported one gives the same masks.

    cvl run unet-crack-segmentation export                                   ONNX of the model trained last
    EXPORT_FORMAT=torchscript CHECKPOINT=best_model.pt cvl run unet-crack-segmentation export

Input `image`: Nx3xHxW, RGB in 0–1, minus ImageNet's mean, divided by its deviation; output `logits`: Nx1xHxW, whose
sigmoid is the probability of a crack. What of N, H and W may vary is tried out and said: some architectures bake the
size that they were traced with into the graph. Beyond the tolerance the preset fails.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import agreement
import data
import models
import session
import torch
from agreement import Shape
from tiles import Tiles

from cvl import params as parameters
from cvl.errors import JobError
from cvl.kit import run
from cvl.kit.datasets import MEAN, STD, Masks, normalise
from cvl.kit.runlog import write_json

SUFFIX = {"onnx": ".onnx", "torchscript": ".torchscript"}
PACKAGES = {"onnx": ("onnx", "onnxruntime"), "torchscript": ()}
OPSET = 17


@dataclass(frozen=True)
class Form:
    """What of the input may vary, by dimension; the rest is as it was traced."""

    free: dict[int, str]

    def text(self, size: tuple[int, int]) -> str:
        fixed = {0: 1, 1: 3, 2: size[0], 3: size[1]}
        return "x".join(self.free.get(dimension, str(length)) for dimension, length in fixed.items())

    def shapes(self, size: tuple[int, int], step: int) -> list[Shape]:
        """To try: as traced, several pictures, other sizes, as far as they are free."""
        height, width = size
        tried = [(1, height, width)]
        tried += [(3, height, width)] if 0 in self.free else []
        return tried + ([(2, height + step, width + 3 * step)] if 2 in self.free else [])


FORMS = (Form({0: "N", 2: "H", 3: "W"}), Form({0: "N"}), Form({}))


def main() -> None:
    params = parameters.load(__file__)
    form = params.EXPORT_FORMAT
    run.require(PACKAGES[form], form)
    used = session.begin(__file__, params)
    split = data.prepare(params, needs=(params.SPLIT,)).data.splits[params.SPLIT]
    count = min(params.NUM_SAMPLES, len(split))
    pictures = Masks([split[i * len(split) // count] for i in range(count)], normalise(), seed=0)

    target = used.folder / "exports" / f"best_model{SUFFIX[form]}"
    shape = convert(used, target, form)
    run.say(f"{target}: {target.stat().st_size / 1e6:.1f} MB, takes {shape.text(used.tiles.size)}")

    # A window at a time where the number of pictures is fixed.
    tiles = Tiles(used.tiles.size, used.tiles.overlap, used.tiles.batch if 0 in shape.free else 1)
    images = [pictures[i][0][None] for i in range(count)]
    found = agreement.measure(used.model, agreement.RUNTIMES[form](target), images, tiles, used.threshold)
    report = {
        "file": target.name,
        "format": form,
        "opset": OPSET if form == "onnx" else None,
        "input": {"name": "image", "shape": shape.text(used.tiles.size), "channels": "RGB", "mean": MEAN, "std": STD},
        "multiple": models.multiple(used.model),
        "output": {"name": "logits", "probability": "sigmoid"},
        **used.about(),
        "tolerance": asdict(agreement.TOLERANCE),
        "found": asdict(found),
    }
    write_json(used.folder / "exports" / "export.json", report)
    print(agreement.sentence(found))
    problems = agreement.beyond(found, agreement.TOLERANCE)
    if problems:
        raise JobError(f"the exported model differs from the trained one: {'; '.join(problems)}", hint=f"see {target}")
    print(f"{target}: within tolerance; input {shape.text(used.tiles.size)}, threshold {used.threshold:g}")


def convert(used: session.Session, target: Path, form: str) -> Form:
    """Writes `target` in the freest form that gives what the model gives; which one that is."""
    size, step = used.tiles.size, max(32, models.multiple(used.model))
    target.parent.mkdir(parents=True, exist_ok=True)
    reason = "its output differs from the model's"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
        made = Path(scratch) / target.name
        for shape in FORMS:
            try:
                with warnings.catch_warnings():  # what is baked into the graph is tried out below
                    warnings.simplefilter("ignore")
                    WRITERS[form](used, made, shape)
            except Exception as error:  # exporters raise whatever they meet in a model
                reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
                continue
            if agreement.fits(used.model, agreement.RUNTIMES[form](made), shape.shapes(size, step)):
                os.replace(made, target)
                return shape
    raise JobError(f"{used.name} cannot be exported to {form}: {reason}", hint="EXPORT_FORMAT, or train another MODEL")


def to_onnx(used: session.Session, file: Path, shape: Form) -> None:
    """With the file's metadata: threshold, mean, deviation, model."""
    import onnx

    free: dict[str, Any] = {"image": shape.free, "logits": shape.free}
    torch.onnx.export(
        used.model,
        (_example(used),),
        str(file),
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes=free if shape.free else None,
    )
    made = onnx.load(str(file))
    about = {"model": used.name, "threshold": f"{used.threshold:g}", "mean": str(MEAN), "std": str(STD)}
    onnx.helper.set_model_props(made, about)
    onnx.save(made, str(file))


def to_torchscript(used: session.Session, file: Path, shape: Form) -> None:
    torch.jit.trace(used.model, _example(used)).save(str(file))


WRITERS: dict[str, Callable[[session.Session, Path, Form], None]] = {"onnx": to_onnx, "torchscript": to_torchscript}


def _example(used: session.Session) -> torch.Tensor:
    return torch.zeros(1, 3, *used.tiles.size)


if __name__ == "__main__":
    run.main(main)
