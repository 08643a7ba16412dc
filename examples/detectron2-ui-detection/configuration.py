"""The library's configuration (CfgNode) from the parameters: models by name, epochs as iterations."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import backbone  # noqa: F401  registers itself
from library import get_cfg, model_zoo

from cvl.errors import UsageError
from cvl.kit import checkpoints
from cvl.kit.run import say
from cvl.params import Values

OURS = "faster_rcnn_lite0_FPN"
ZOO = {
    "faster_rcnn_R_50_FPN_3x": "COCO-Detection",
    "faster_rcnn_R_101_FPN_3x": "COCO-Detection",
    "faster_rcnn_X_101_32x8d_FPN_3x": "COCO-Detection",
    "retinanet_R_50_FPN_3x": "COCO-Detection",
    "mask_rcnn_R_50_FPN_3x": "COCO-InstanceSegmentation",
    "mask_rcnn_R_101_FPN_3x": "COCO-InstanceSegmentation",
    "cascade_mask_rcnn_R_50_FPN_3x": "Misc",
    "mask_rcnn_R_50_FPN_3x_dconv_c3-c5": "Misc",
}
LEVELS = 5  # of the feature pyramid: p2 … p6, of RetinaNet p3 … p7
MAX_DETECTIONS = 300  # a picture: COCO's 100 are fewer than a crowded screen has
_LISTS = {"ANCHOR_SIZES": "8,16,32,64,128", "ASPECT_RATIOS": "0.5,1,2", "LR_STEPS": "0.7,0.9"}
_SCHEDULES = {"step": "WarmupMultiStepLR", "constant": "WarmupMultiStepLR", "cosine": "WarmupCosineLR"}


def base(model: str) -> Any:
    """The CfgNode of `model` as its authors published it; UsageError for what cannot run here."""
    cfg = get_cfg()
    if model == OURS:
        cfg.merge_from_file(model_zoo.get_config_file("Base-RCNN-FPN.yaml"))
        _make_light(cfg)
        return cfg
    cfg.merge_from_file(model_zoo.get_config_file(zoo_file(model)))
    runs_here(cfg, model)
    return cfg


def runs_here(cfg: Any, model: str) -> None:
    """UsageError where the installed Detectron2 lacks what `cfg` needs."""
    if any(cfg.MODEL.RESNETS.DEFORM_ON_PER_STAGE) and find_spec("detectron2._C") is None:
        raise UsageError(
            f"MODEL={model} needs deformable convolution, which the installed Detectron2 was not compiled with",
            hint=f"MODEL={model.partition('_dconv')[0]}, or the upstream package: DETECTRON2 in setup.sh",
        )


def zoo_file(model: str) -> str:
    """Where the zoo keeps the configuration of `model`."""
    return f"{ZOO[model]}/{model}.yaml"


def make(
    params: Values,
    classes: Sequence[str],
    device: str,
    folder: Path,
    *,
    steps_an_epoch: int,
    weights: str = "none",
    precision: str = "fp32",
    data: str = "",
    processes: int = 1,
) -> Any:
    """The CfgNode of a training; `weights` is what WEIGHTS turned out to be, `data` the name of the view."""
    cfg = base(params.MODEL)
    cfg.OUTPUT_DIR = str(folder / "native")
    cfg.SEED = params.SEED
    cfg.CUDNN_BENCHMARK = not params.DETERMINISTIC
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (f"{data}_train",), (f"{data}_val",)
    cfg.DATALOADER.NUM_WORKERS = params.NUM_WORKERS
    _set_model(cfg, params, len(classes), device, scratch=weights == "none")
    cfg.MODEL.WEIGHTS = str(folder / checkpoints.BEST)  # for DefaultPredictor(cfg), once the run has ended
    _set_input(cfg, params.IMAGE_SIZE)
    _set_solver(cfg, params, steps_an_epoch)
    cfg.SOLVER.IMS_PER_BATCH = params.BATCH_SIZE * params.GRAD_ACCUM * processes
    cfg.SOLVER.AMP.ENABLED = precision != "fp32"
    return cfg


def frozen_stages(params: Values, weights: str) -> int:
    """FREEZE; from scratch there is nothing worth to be kept, and nothing is frozen."""
    return 0 if weights == "none" else params.FREEZE


def numbers(text: str, name: str) -> list[float]:
    """The positive numbers in a list such as 8,16,32."""
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or any(not 0 < value < float("inf") for value in found):
        raise UsageError(f"{name}={text}: is no list of positive numbers", hint=f"for example {name}={_LISTS[name]}")
    return found


def anchor_sizes(text: str) -> list[float]:
    """ANCHOR_SIZES, one for each level of the pyramid."""
    wanted = numbers(text, "ANCHOR_SIZES")
    if len(wanted) != LEVELS:
        raise UsageError(
            f"ANCHOR_SIZES={text}: {len(wanted)} sizes for {LEVELS} levels of the feature pyramid",
            hint=f"for example ANCHOR_SIZES={_LISTS['ANCHOR_SIZES']}",
        )
    return wanted


def set_anchors(cfg: Any, sizes: str, ratios: str) -> None:
    """One size for each level of the pyramid (RetinaNet: also 2^(1/3) and 2^(2/3) times it), all ratios at each."""
    wanted = anchor_sizes(sizes)
    octaves = (1.0, 2 ** (1 / 3), 2 ** (2 / 3)) if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else (1.0,)
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[size * octave for octave in octaves] for size in wanted]
    cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [numbers(ratios, "ASPECT_RATIOS")]


def _set_model(cfg: Any, params: Values, classes: int, device: str, *, scratch: bool) -> None:
    cfg.MODEL.DEVICE = device
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = classes
    set_anchors(cfg, params.ANCHOR_SIZES, params.ASPECT_RATIOS)
    cfg.TEST.DETECTIONS_PER_IMAGE = MAX_DETECTIONS
    cfg.MODEL.BACKBONE.FREEZE_AT = params.FREEZE
    if scratch:
        say("from scratch: batch norm is trained, no stage of the backbone is frozen")
        cfg.MODEL.BACKBONE.FREEZE_AT = 0
        cfg.MODEL.RESNETS.NORM = "BN"


def _set_input(cfg: Any, size: int) -> None:
    """The longer side becomes `size`; what the library mirrors by default stays as it is."""
    cfg.INPUT.MIN_SIZE_TRAIN = (size,)
    cfg.INPUT.MAX_SIZE_TRAIN = cfg.INPUT.MIN_SIZE_TEST = cfg.INPUT.MAX_SIZE_TEST = size
    cfg.INPUT.RANDOM_FLIP = "none"


def _set_solver(cfg: Any, params: Values, steps_an_epoch: int) -> None:
    total = steps_an_epoch * params.NUM_EPOCHS
    solver = cfg.SOLVER
    solver.BASE_LR, solver.WEIGHT_DECAY, solver.GAMMA = params.LR, params.WEIGHT_DECAY, params.GAMMA
    solver.MAX_ITER = total
    solver.WARMUP_ITERS = min(total, round(params.WARMUP_EPOCHS * steps_an_epoch))
    # The library divides by LR to find the end of the cosine.
    schedule = params.SCHEDULER if params.LR else "constant"
    solver.LR_SCHEDULER_NAME = _SCHEDULES[schedule]
    shares = numbers(params.LR_STEPS, "LR_STEPS") if schedule == "step" else []
    solver.STEPS = tuple(sorted({step for share in shares if 0 < (step := round(share * total)) < total}))
    solver.CHECKPOINT_PERIOD = steps_an_epoch
    cfg.TEST.EVAL_PERIOD = steps_an_epoch * params.VAL_EVERY


def _make_light(cfg: Any) -> None:
    """EfficientNet-Lite0 and heads of its weight; pixels as ImageNet's are normalised, in RGB."""
    model = cfg.MODEL
    model.BACKBONE.NAME = "build_lite0_fpn_backbone"
    cfg.INPUT.FORMAT = "RGB"
    model.PIXEL_MEAN, model.PIXEL_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    model.FPN.OUT_CHANNELS = 64
    model.ROI_BOX_HEAD.NUM_FC, model.ROI_BOX_HEAD.FC_DIM = 2, 256
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 256
    model.RPN.PRE_NMS_TOPK_TRAIN = model.RPN.PRE_NMS_TOPK_TEST = 500
    model.RPN.POST_NMS_TOPK_TRAIN = model.RPN.POST_NMS_TOPK_TEST = 500
