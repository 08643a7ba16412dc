"""Writes data/detectron2/ with the real library: trained and evaluated, resumed from an earlier checkpoint, poisoned.

Its own trainer stops at a loss that is not finite before it writes it, so the poisoned case is a plain loop around the
library's storage and writer.

python -m pip install --no-deps --only-binary=:all: --python-version 3.10 --target DIR sal-detectron2==0.7.2
PYTHONPATH=DIR python tests/readers/makers/detectron2.py
"""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
import tempfile
from pathlib import Path

HERE = sys.path.pop(0)  # this file is called like the library

import torch  # noqa: E402
from detectron2 import model_zoo  # noqa: E402
from detectron2.config import CfgNode  # noqa: E402
from detectron2.data import DatasetCatalog, MetadataCatalog  # noqa: E402
from detectron2.engine import DefaultTrainer  # noqa: E402
from detectron2.evaluation import COCOEvaluator  # noqa: E402
from detectron2.structures import BoxMode  # noqa: E402
from detectron2.utils.events import EventStorage, JSONWriter  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

sys.path.insert(0, HERE)

import _expected  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "detectron2"
FILE = "metrics.json"


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> COCOEvaluator:
        return COCOEvaluator(dataset_name, ("bbox",), output_dir=cfg.OUTPUT_DIR, use_fast_impl=False)


def main() -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        names = ["box", "never drawn"]
        images = draw_boxes(Path(scratch))
        DatasetCatalog.register("boxes", lambda: images)
        MetadataCatalog.get("boxes").set(thing_classes=names)
        train(configure(Path(scratch) / "healthy", iterations=50), resume=False)
        train(configure(Path(scratch) / "resumed", iterations=50), resume=False)
        (Path(scratch) / "resumed" / "last_checkpoint").write_text("model_0000024.pth", encoding="utf-8")
        train(configure(Path(scratch) / "resumed", iterations=70), resume=True)
        poison(Path(scratch) / "nan")
        for case in ("healthy", "resumed", "nan"):
            (DATA / case).mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(scratch) / case / FILE, DATA / case / FILE)
            expect(DATA / case)


def train(cfg: CfgNode, *, resume: bool) -> None:
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=resume)
    trainer.train()


def poison(folder: Path) -> None:
    """Values that were not smoothed, so that one of them alone is NaN and one infinite."""
    folder.mkdir()
    writer = JSONWriter(str(folder / FILE))
    with EventStorage(0) as storage:
        for iteration, loss in enumerate((2.5, 2.25, math.nan, 1.75, math.inf, -math.inf)):
            storage.put_scalars(total_loss=loss, lr=0.01, smoothing_hint=False)
            writer.write()
            storage.iter = iteration + 1


def configure(folder: Path, *, iterations: int) -> CfgNode:
    cfg = model_zoo.get_config("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml")
    cfg.OUTPUT_DIR, cfg.SEED = str(folder), 0
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = ("boxes",)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS, cfg.MODEL.RESNETS.NORM = 18, 64, "BN"
    cfg.MODEL.FPN.OUT_CHANNELS, cfg.MODEL.ROI_BOX_HEAD.FC_DIM, cfg.MODEL.ROI_HEADS.NUM_CLASSES = 32, 32, 2
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (64,), 64
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS = 2, 0.005, iterations, ()
    cfg.SOLVER.CHECKPOINT_PERIOD, cfg.TEST.EVAL_PERIOD = 25, 15
    folder.mkdir(exist_ok=True)
    return cfg


def expect(case: Path) -> None:
    """What the json module finds in it, less what training went back behind."""
    series: dict[str, dict[int, float]] = {}
    at = 0
    for line in (case / FILE).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "total_loss" in row:
            back, at = row["iteration"] < at, row["iteration"]
            for points in series.values():
                for iteration in [i for i in points if back and i >= at]:
                    del points[iteration]
        for name in row.keys() - {"iteration"}:
            series.setdefault(name, {})[row["iteration"]] = row[name]
    _expected.write(case, {name: [(s, None, v) for s, v in sorted(series[name].items())] for name in sorted(series)})


def draw_boxes(folder: Path) -> list[dict[str, object]]:
    """One filled rectangle an image, in Detectron2's own form."""
    dice, images = random.Random(0), []
    for i in range(8):
        image = Image.new("RGB", (64, 64), "white")
        x, y = dice.randint(2, 20), dice.randint(2, 20)
        box = [x, y, x + dice.randint(16, 40), y + dice.randint(16, 40)]
        ImageDraw.Draw(image).rectangle(box, fill="red")
        image.save(folder / f"{i}.png")
        truth = {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}
        images.append(
            {"file_name": str(folder / f"{i}.png"), "image_id": i, "height": 64, "width": 64, "annotations": [truth]}
        )
    return images


if __name__ == "__main__":
    main()
