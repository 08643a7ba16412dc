"""Detectron2, as this example uses it: import its names from here and nowhere else.

What is put right: it gives DistributedDataParallel a GPU's number even where there is no GPU, sets up its own logging,
prints every model, and warns of what newer versions of torch and setuptools will no longer have.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from cvl.errors import JobError
from cvl.kit import weights

os.environ.setdefault("MPLCONFIGDIR", str(weights.cache() / "matplotlib"))
Path(os.environ["MPLCONFIGDIR"]).mkdir(parents=True, exist_ok=True)
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
warnings.filterwarnings("ignore", message=r"`torch\.jit\..*` is deprecated")
warnings.filterwarnings("ignore", message=r"torch\.meshgrid")
warnings.filterwarnings("ignore", message=r"torch\.nn\.utils\.clip_grad_norm")

try:
    import detectron2.engine.defaults
    import torch
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import CfgNode, get_cfg
    from detectron2.data import DatasetCatalog, MetadataCatalog
    from detectron2.data import detection_utils as utils
    from detectron2.data import transforms as T
    from detectron2.engine import DefaultTrainer, hooks, launch
    from detectron2.evaluation import verify_results
    from detectron2.export import TracingAdapter
    from detectron2.layers import ShapeSpec
    from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone, build_model
    from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
    from detectron2.modeling.backbone.fpn import LastLevelMaxPool
    from detectron2.solver.build import get_default_optimizer_params
    from detectron2.structures import BitMasks, Boxes, BoxMode, Instances, pairwise_iou
    from detectron2.utils import comm
    from detectron2.utils.events import EventStorage, JSONWriter
except ImportError as error:
    raise JobError(
        f"Detectron2 cannot be imported: {error}", hint=f"bash {Path(__file__).with_name('setup.sh')} {sys.executable}"
    ) from error

__all__ = [
    "BACKBONE_REGISTRY",
    "FPN",
    "Backbone",
    "BitMasks",
    "BoxMode",
    "Boxes",
    "CfgNode",
    "DatasetCatalog",
    "DefaultAnchorGenerator",
    "DefaultTrainer",
    "DetectionCheckpointer",
    "EventStorage",
    "Instances",
    "JSONWriter",
    "LastLevelMaxPool",
    "MetadataCatalog",
    "ShapeSpec",
    "T",
    "TracingAdapter",
    "build_model",
    "comm",
    "get_cfg",
    "get_default_optimizer_params",
    "hooks",
    "launch",
    "model_zoo",
    "pairwise_iou",
    "quiet",
    "utils",
    "verify_results",
]

logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)  # an advice to the library's authors
_distributed = detectron2.engine.defaults.create_ddp_model


def _on_any_device(model: Any, **options: Any) -> Any:
    return _distributed(model, **options if torch.cuda.is_available() else {**options, "device_ids": None})


detectron2.engine.defaults.create_ddp_model = _on_any_device
detectron2.engine.defaults.setup_logger = lambda *args, **options: None  # it would undo what `quiet` sets


def quiet(level: str, *, verbose: bool) -> None:
    """What the library says goes where we talk; what is below a warning only when `verbose`."""
    for name in ("detectron2", "fvcore", "iopath"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING if level == "INFO" and not verbose else level)
        logger.propagate = False
        logger.handlers = [logging.StreamHandler(sys.stderr)]
    # It warns of the configuration files in its own package.
    logging.getLogger("fvcore.common.config").setLevel(logging.DEBUG if verbose else logging.ERROR)
