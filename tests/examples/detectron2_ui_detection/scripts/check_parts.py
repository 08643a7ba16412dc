"""EXAMPLE FILE: what masks, agreement, anchors and export promise, checked by hand-made cases; FILE is a Mask R-CNN."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])

import agreement
import anchors
import checkpoint
import export
import find
import masks
import numpy as np
import torch
from find import judging
from library import Instances
from pycocotools import mask as run_lengths

from cvl.errors import JobError
from cvl.formats.boxes import Box, Picture

TRIANGLE = ((10.0, 10.0, 50.0, 10.0, 10.0, 50.0),)
SCREEN = Picture(Path("one.png"), 64, 64, (Box(0, 10, 10, 50, 50, outline=TRIANGLE), Box(1, 2, 2, 8, 8)))


def masks_found(triangle: bool) -> Instances:
    """Both boxes of SCREEN, the first as a triangle or as a rectangle."""
    drawn = np.zeros((2, 64, 64), bool)
    drawn[0, 10:50, 10:50] = np.tri(40)[::-1] if triangle else True
    drawn[1, 2:8, 2:8] = True
    found = Instances((64, 64))
    found.pred_masks = torch.from_numpy(drawn)
    found.pred_classes, found.scores = torch.tensor([0, 1]), torch.tensor([0.9, 0.8])
    return found


def check_masks_are_judged_by_their_outlines() -> None:
    detector = SimpleNamespace(classes=("a", "b", "none"))
    for triangle, expected in ((True, 1.0), (False, 0.5)):
        found = iter([masks_found(triangle)])
        find.instances = lambda *_, found=found, **__: found
        with TemporaryDirectory() as folder:
            means = masks.judge(detector, [SCREEN], Path(folder), device="cpu", image_size=64)
            assert {file.name for file in Path(folder).iterdir()} == {"masks.json", "mask_predictions.json"}
        assert abs(means["map75"] - expected) < 1e-6, means  # a triangle is half of its rectangle


def check_run_lengths_are_read_back() -> None:
    mask = masks_found(True).pred_masks[0].numpy()
    made = masks.encode(mask)
    assert isinstance(made["counts"], str) and (run_lengths.decode(made) == mask).all()


def outputs(*boxes: tuple[float, int, float]) -> list[torch.Tensor]:
    """(left edge, class, score) of boxes of 100 px."""
    corners = torch.tensor([[x, 0, x + 100, 100] for x, _, _ in boxes]).reshape(-1, 4)
    return [corners, torch.tensor([c for _, c, _ in boxes]), torch.tensor([s for _, _, s in boxes])]


def measured(wanted: list[torch.Tensor], found: list[torch.Tensor], most: int = 300) -> agreement.Agreement:
    limit = agreement.Limit(0.1, most)
    return agreement.measure(lambda _: wanted, lambda _: found, [torch.zeros(3, 4, 4)], limit)


def check_agreement() -> None:
    one = outputs((0.0, 0, 0.9), (300.0, 1, 0.5))
    same = measured(one, outputs((300.0, 1, 0.5), (0.25, 0, 0.85)))  # the order does not matter
    assert same.matched == 1 and abs(same.box_px - 0.25) < 1e-6 and abs(same.score - 0.05) < 1e-6
    assert len(agreement.beyond(same, agreement.TOLERANCE)) == 2
    assert measured(one, outputs((0.0, 0, 0.9), (300.0, 0, 0.5))).matched == 0.5  # another class
    assert measured(one, outputs((0.0, 0, 0.9), (302.0, 1, 0.5))).matched == 0.5  # elsewhere
    assert measured(one, outputs((0.0, 0, 0.9))).matched == 2 / 3  # missing
    assert measured(one, outputs()).matched == 0
    nothing = measured(outputs(), outputs())
    assert nothing.matched is None and len(agreement.beyond(nothing, agreement.TOLERANCE)) == 1  # proves nothing
    edge = outputs((0.0, 0, 0.9), (300.0, 1, 0.1005))
    assert measured(edge, outputs((0.0, 0, 0.9))).matched == 1  # as certain as CONFIDENCE: either way
    assert measured(one, outputs((0.0, 0, 0.9), (600.0, 1, 0.5)), most=2).matched == 1  # the last of the list
    try:
        measured(one, outputs((float("nan"), 0, 0.9)))
    except JobError as error:
        assert "not finite" in str(error)
    else:
        raise AssertionError("NaN was let through")


def check_anchors() -> None:
    whole = Picture(Path("a.png"), 256, 256, (Box(0, 112, 120, 144, 136),))  # 32x16, ratio .5
    strides = anchors.STRIDES["GeneralizedRCNN"]

    def first(size: float) -> anchors.Anchors:
        return anchors.Anchors("x", ((size,), *(((100 * size,),) * 4)), (0.5,), strides)

    exact = first(512**0.5)
    assert anchors.reach([whole], exact, 256) == {0.5: 1.0, 0.7: 1.0}
    assert anchors.reach([whole], first(90), 256) == {0.5: 0.0, 0.7: 0.0}
    twice = first(2 * 512**0.5)
    assert anchors.reach([whole], twice, 512) == {0.5: 1.0, 0.7: 1.0}  # the picture is enlarged


def check_exported_model_where_nothing_is_found_and_at_other_sizes() -> None:
    """At other sizes than it was traced at it finds as many as the trained one, also where that is none."""
    detector = checkpoint.load(Path(sys.argv[2]))
    generator = torch.Generator().manual_seed(0)
    noise = [torch.rand(3, *size, generator=generator) * 255 for size in ((64, 96), (96, 60), (90, 90))]
    for confidence_of_trace in (0.01, 1.0):
        for form, runtime in agreement.RUNTIMES.items():
            with TemporaryDirectory() as folder, judging(detector.model, confidence_of_trace):
                network = export.adapted(detector, noise[0])
                export.write(network, noise[0], Path(folder) / "model.pt", form)
                exported = runtime(Path(folder) / "model.pt")
                for image in noise:
                    wanted, found = network(image), exported(image)
                    assert len(wanted[0]) == len(found[0]), (form, len(wanted[0]), len(found[0]))
                    assert bool(len(found[0])) == (confidence_of_trace < 1)
                    assert [one.shape for one in wanted] == [one.shape for one in found]


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
