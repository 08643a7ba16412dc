"""EXAMPLE FILE CLASSES…: a checkpoint of a small Mask R-CNN as its weights are before training."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import torch
from configuration import OURS, base, set_anchors
from library import build_model

from cvl.kit import checkpoints

classes = sys.argv[3:]
torch.manual_seed(0)
cfg = base(OURS)
cfg.MODEL.DEVICE = "cpu"
cfg.MODEL.RESNETS.NORM = "BN"
cfg.MODEL.MASK_ON = True
cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(classes)
mask = cfg.MODEL.ROI_MASK_HEAD
mask.NAME, mask.NUM_CONV, mask.CONV_DIM, mask.POOLER_RESOLUTION = "MaskRCNNConvUpsampleHead", 1, 16, 14
set_anchors(cfg, "8,16,32,64,128", "0.5,1,2")
cfg.INPUT.MIN_SIZE_TEST = cfg.INPUT.MAX_SIZE_TEST = 96
state = {"model": build_model(cfg).state_dict(), "epoch": 1, "metrics": {}, "classes": classes}
checkpoints.write(Path(sys.argv[2]), {**state, "config": {"MODEL": "mask_rcnn"}, "cfg": cfg.dump()})
