"""Lengths and names, and what becomes of an exported model that is not the trained one."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import agreement
import export
import measures
import models
import numpy as np
import torch
import trial
import writing
from session import Session
from tiles import Tiles

from cvl.errors import JobError
from cvl.params import Setting, Values

SIZE = (32, 32)


def drawn(*pixels: tuple[int, int]) -> np.ndarray:
    found = np.zeros((20, 30), dtype=bool)
    found[tuple(zip(*pixels, strict=True))] = True
    return found


def check_length_of_lines_one_pixel_wide() -> None:
    lines = {
        10.0: [(3, x) for x in range(5, 15)],
        7.0: [(y, 0) for y in range(7)],
        1 + 6 * math.sqrt(2): [(2 + i, 3 + i) for i in range(7)],
        1 + 4 * math.sqrt(2): [(9 - i, 3 + i) for i in range(5)],
        1.0: [(19, 29)],
        1 + 4 + math.sqrt(2) + 3: [*((5, x) for x in range(5)), *((6, x) for x in range(5, 9))],
    }
    for length, pixels in lines.items():
        (crack,) = measures.cracks(drawn(*pixels))
        assert math.isclose(crack.length, length), (crack, length)
        assert crack.pixels == len(pixels) and crack.width == len(pixels) / length


def check_a_bar_is_as_long_and_as_wide_as_it_looks() -> None:
    for wide in (3, 5, 7):
        found = np.zeros((40, 120), dtype=bool)
        found[10 : 10 + wide, 10:110] = True
        (crack,) = measures.cracks(found)
        assert crack.box == (10, 10, 110, 10 + wide) and crack.pixels == 100 * wide
        assert 100 - wide <= crack.length <= 100 and wide <= crack.width <= 1.08 * wide, (wide, crack)


def check_cracks_touch_at_corners_and_the_longest_comes_first() -> None:
    dot, line = (0, 0), [(10, x) for x in range(4, 12)]
    joined = [(18, 20), (19, 21)]
    found = measures.cracks(drawn(dot, *line, *joined))
    assert [crack.box for crack in found] == [(4, 10, 12, 11), (20, 18, 22, 20), (0, 0, 1, 1)]
    assert measures.cracks(np.zeros((5, 5), dtype=bool)) == []
    assert [crack.pixels for crack in measures.cracks(np.ones((1, 1), dtype=bool))] == [1]


def check_no_two_files_get_one_name() -> None:
    files = [Path(name) for name in ("a.png", "sub/a.jpg", "A.tif", "a-2.png", "b.png")]
    found = writing.names(files)
    assert found == ["a", "a-2", "A-3", "a-2-2", "b"] and len({name.lower() for name in found}) == 5


def check_the_command_says_what_was_set_and_nothing_else() -> None:
    settings = {
        "MODEL": Setting("fpn", "environment"),
        "BATCH_SIZE": Setting(4, "device"),
        "OPTIMIZER": Setting("adamw", "default"),
        "LR_STEPS": Setting(20, "environment"),
        "DATA_DIR": Setting(None, "default"),
    }
    said = trial.command(Values(settings), "LR", "1.0e-03")
    assert said == "MODEL=fpn LR=1.0e-03 cvl run unet-crack-segmentation train", said
    owned = trial.command(Values(settings | {"DATA_DIR": Setting("/data", "flag")}), "BATCH_SIZE", "8")
    assert owned == "MODEL=fpn BATCH_SIZE=8 cvl run unet-crack-segmentation train --data …", owned


def network(name: str, encoder: str) -> Any:
    torch.manual_seed(0)
    return models.build(name, encoder, weights="none", image_size=SIZE, embed_dim=32).eval()


def convert(model: Any, form: str, folder: str) -> tuple[export.Form, Path]:
    config = {"MODEL": "fpn", "ENCODER": "tu-resnet10t"}
    used = Session(Path("best_model.pt"), model, config, Tiles(SIZE, 0.25, 2), 0.5, Path(folder))
    target = Path(folder) / f"model{export.SUFFIX[form]}"
    return export.convert(used, target, form), target


class Sized(torch.nn.Module):
    """Whose output depends on one side of the input, as a number that is traced as a constant."""

    def __init__(self, model: torch.nn.Module, dimension: int) -> None:
        super().__init__()
        self.encoder, self.model, self.dimension = model.encoder, model, dimension

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images) + 0.1 * int(images.shape[self.dimension])


def check_what_may_vary_is_tried_out() -> None:
    model = network("fpn", "tu-resnet10t")
    with tempfile.TemporaryDirectory() as folder:
        assert convert(model, "onnx", folder)[0].text(SIZE) == "Nx3xHxW"
        assert convert(Sized(model, 2).eval(), "onnx", folder)[0].text(SIZE) == "Nx3x32x32"
        assert convert(Sized(model, 0).eval(), "onnx", folder)[0].text(SIZE) == "1x3x32x32"


def check_a_model_that_differs_is_refused_by_name() -> None:
    model = network("fpn", "tu-resnet10t")
    true = agreement.RUNTIMES["onnx"]

    def shifted(file: Path) -> agreement.Runtime:
        run = true(file)
        return lambda windows: run(windows) + 0.01

    with tempfile.TemporaryDirectory() as folder:
        _, target = convert(model, "onnx", folder)
        images = [torch.randn(1, 3, 40, 50)]
        good = agreement.measure(model, true(target), images, Tiles(SIZE, 0.25, 2), 0.5)
        assert good.pixels == 2000 and good.probability < 1e-5 and not agreement.beyond(good, agreement.TOLERANCE)
        bad = agreement.measure(model, shifted(target), images, Tiles(SIZE, 0.25, 2), 0.5)
        assert 0.001 < bad.probability <= 0.0025 + 1e-6
        assert "a probability differs by" in agreement.beyond(bad, agreement.TOLERANCE)[0]
        target.unlink()
        agreement.RUNTIMES["onnx"] = shifted
        try:
            convert(model, "onnx", folder)
        except JobError as error:
            assert "fpn on tu-resnet10t cannot be exported to onnx: its output differs" in str(error), error
        else:
            raise AssertionError("it was exported")
        finally:
            agreement.RUNTIMES["onnx"] = true
        assert not list(Path(folder).iterdir())
