"""Where metrics go beside the run's own files: TensorBoard always, W&B and MLflow when they are configured."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol


class Tracker(Protocol):
    """Takes scalars until it is closed."""

    def log(self, values: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in logs/; on a resume the points that are written again replace the old ones."""

    def __init__(self, folder: Path, name: str, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "logs"), purge_step=first_step if first_step > 1 else None)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WandB:
    """Weights & Biases; without an API key it writes offline, below the run folder."""

    def __init__(self, folder: Path, name: str, first_step: int) -> None:
        import wandb

        mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
        self._run: Any = wandb.init(dir=str(folder / "logs"), name=name, mode=mode)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """The MLflow server (or folder) of MLFLOW_TRACKING_URI."""

    def __init__(self, folder: Path, name: str, first_step: int) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        mlflow.start_run(run_name=name)

    def log(self, values: Mapping[str, float], step: int) -> None:
        # MLflow refuses other characters, which class names may have.
        self._mlflow.log_metrics({re.sub(r"[^\w/. :-]", "_", name): v for name, v in values.items()}, step=step)

    def close(self) -> None:
        self._mlflow.end_run()


_Maker = Callable[[Path, str, int], Tracker]
# module that must be importable -> (how it is switched on: any of these variables, none = always; the tracker)
_TRACKERS: dict[str, tuple[tuple[str, ...], _Maker]] = {
    "tensorboard": ((), TensorBoard),
    "wandb": (("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"), WandB),
    "mlflow": (("MLFLOW_TRACKING_URI",), MLflow),
}


def configured(folder: Path, *, name: str, first_step: int = 1) -> list[Tracker]:
    """The trackers that are switched on; one whose package is missing is named, not silently left out."""
    found: list[Tracker] = []
    for module, (variables, make) in _TRACKERS.items():
        if variables and not any(os.environ.get(name) for name in variables):
            continue
        if importlib.util.find_spec(module) is None or importlib.util.find_spec("torch") is None:
            print(f"{module} is not installed: nothing is logged there", file=sys.stderr)
        else:
            found.append(make(folder, name, first_step))
    return found
