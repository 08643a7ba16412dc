"""The model that a preset works with: found, loaded without running what may hide in it, matched with the data."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from library import YOLO

from cvl.contract import METRICS
from cvl.errors import DataError, UsageError
from cvl.kit import checkpoints, run
from cvl.kit.run import say
from cvl.kit.runlog import write_config
from cvl.params import Setting, Value, Values

OUTPUTS = Path(__file__).parent / "outputs"


def begin(script: str, params: Values) -> tuple[Path, YOLO, int, Path]:
    """CHECKPOINT, the model in it, its image size, and the preset's run folder with config.yaml."""
    file = find(params.CHECKPOINT, params.OUTPUT_DIR)
    model = load(file)
    size = image_size(model, params.settings["IMAGE_SIZE"])
    folder = run.folder(script, params.OUTPUT_DIR)
    keep_config(folder, params, CHECKPOINT=str(file), IMAGE_SIZE=size)
    return file, model, size, folder


def keep_config(folder: Path, params: Values, **effective: Value) -> None:
    """config.yaml, unless OUTPUT_DIR is the run that trained the model."""
    if not (folder / METRICS).exists():
        write_config(folder, params.settings, effective=effective)


def find(wanted: str | None, output_dir: str | None) -> Path:
    """CHECKPOINT; unset: the best model that was trained last."""
    return checkpoints.best_of(wanted, output_dir, OUTPUTS)


def load(file: Path) -> YOLO:
    """The detector in `file`. The library reconstructs its own classes only (see library.py)."""
    hint = "a .pt file that this example trained, such as checkpoints/best_model.pt of a run"
    if file.suffix != ".pt" or not zipfile.is_zipfile(file):
        raise UsageError(f"CHECKPOINT {file}: is no PyTorch checkpoint", hint=hint)
    try:
        model = YOLO(str(file))
    except Exception as error:  # the library raises whatever the content of the file leads it to
        raise UsageError(f"CHECKPOINT {file}: is no YOLO checkpoint ({type(error).__name__})", hint=hint) from error
    if model.task != "detect":
        raise UsageError(f"CHECKPOINT {file}: a model for {model.task}, not for detection", hint=hint)
    return model


def image_size(model: YOLO, setting: Setting) -> int:
    """IMAGE_SIZE where somebody chose it, else the size that `model` was trained with."""
    trained = int(model.overrides.get("imgsz", setting.value))
    if setting.source in ("default", "device"):
        return trained
    if setting.value != trained:
        say(f"IMAGE_SIZE={setting.value}, the model was trained with {trained}")
    return int(setting.value)


def fit(model: YOLO, classes: Sequence[str]) -> None:
    """Refuses data whose classes are others than those of `model`, or in another order."""
    known = list(model.names.values())
    if known != list(classes):
        raise DataError(
            f"the model finds {', '.join(known)}; the data has {', '.join(classes)}",
            hint="CHECKPOINT must have been trained on the classes of DATA_DIR, in the same order",
        )


def name(model: YOLO) -> str:
    """The architecture, such as yolov8n."""
    return Path(model.model.yaml["yaml_file"]).stem
