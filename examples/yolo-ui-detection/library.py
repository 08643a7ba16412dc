"""Ultralytics, kept from the network: import its names from here and nowhere else.

On import it would look for a connection, report usage, fetch fonts and a model to test mixed precision with, install
missing packages and attach whatever tracker is importable. All of that is off; its settings file lies in the cache.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path

from PIL import Image

from cvl.errors import DataError
from cvl.kit import weights
from cvl.kit.run import say

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"  # a checkpoint is a pickle: only known classes come out of it
os.environ.setdefault("YOLO_CONFIG_DIR", str(weights.cache() / "ultralytics"))
os.environ.setdefault("MPLCONFIGDIR", str(weights.cache() / "matplotlib"))
for _folder in ("YOLO_CONFIG_DIR", "MPLCONFIGDIR"):
    Path(os.environ[_folder]).mkdir(parents=True, exist_ok=True)

_open = Image.open
with contextlib.redirect_stdout(io.StringIO()):  # it announces its settings file
    import ultralytics.data.utils
    import ultralytics.engine.trainer
    import ultralytics.utils.plotting
    import ultralytics.utils.torch_utils
    from ultralytics import YOLO
    from ultralytics.cfg import get_cfg
    from ultralytics.data import build_yolo_dataset
    from ultralytics.data.augment import LetterBox
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.models.yolo.detect import DetectionTrainer, DetectionValidator
    from ultralytics.nn.tasks import load_checkpoint
    from ultralytics.utils import LOGGER, callbacks
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.torch_utils import strip_optimizer

__all__ = [
    "YOLO",
    "DetectionTrainer",
    "DetectionValidator",
    "LetterBox",
    "build_yolo_dataset",
    "check_det_dataset",
    "get_cfg",
    "load_checkpoint",
    "non_max_suppression",
    "quiet",
    "start_weights",
    "strip_optimizer",
]

RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"

Image.open = _open  # the library's own wants to install a package where a file is no picture
callbacks.add_integration_callbacks = lambda instance: None
# On a CPU the library leaves one core idle, which on two cores is half of them.
ultralytics.utils.torch_utils.NUM_THREADS = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
ultralytics.engine.trainer.check_amp = lambda model: True
ultralytics.data.utils.check_font = lambda font="": None
ultralytics.utils.plotting.check_font = lambda font="": None


def quiet(level: str, *, verbose: bool) -> None:
    """What the library says goes where we talk; its own tables and bars only when `verbose`."""
    LOGGER.setLevel(logging.WARNING if level == "INFO" and not verbose else level)
    for handler in LOGGER.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)


def start_weights(wanted: str, model: str) -> Path | None:
    """The checkpoint that WEIGHTS names (auto: COCO weights of `model`); None = from scratch, said aloud."""
    if wanted == "none":
        say("weights: none, training from scratch")
        return None
    file = Path(wanted)
    if file.suffix == ".pt":
        if not file.is_file():
            raise DataError(f"WEIGHTS {file}: there is no such file", hint="auto, none, a model's name or a .pt file")
    else:
        name = f"{model if wanted == 'auto' else wanted}.pt"
        found = weights.fetch(f"{RELEASE}/{name}", name)
        if found is None:
            say("weights: none could be fetched, training from scratch")
            return None
        file = found
    say(f"weights: {file.name}")
    return file
