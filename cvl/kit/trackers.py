"""Where metrics go beside the run's own files: TensorBoard always, W&B and MLflow when they are configured."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Tracker(Protocol):
    """Takes scalars until it is closed."""

    def log(self, values: Mapping[str, float], step: int) -> None: ...

    def close(self, *, failed: bool) -> None: ...


@dataclass(frozen=True)
class Start:
    """What a tracker is told of a run; `first_step` above 1: it goes on."""

    folder: Path
    name: str
    first_step: int
    config: Mapping[str, object]

    def known_as(self, tracker: str) -> str | None:
        """The id that the tracker gave to the run that goes on here."""
        file = self._id(tracker)
        return file.read_text(encoding="utf-8").strip() if self.first_step > 1 and file.is_file() else None

    def remember(self, tracker: str, run: str) -> None:
        self._id(tracker).write_text(f"{run}\n", encoding="utf-8")

    def _id(self, tracker: str) -> Path:
        return self.folder / "logs" / f"{tracker}.id"


class TensorBoard:
    """Event files in logs/; on a resume the points that are written again replace the old ones."""

    def __init__(self, start: Start) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge = start.first_step if start.first_step > 1 else None
        self._writer = SummaryWriter(str(start.folder / "logs"), purge_step=purge)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, *, failed: bool) -> None:
        self._writer.close()


class WandB:
    """Weights & Biases; without an API key it writes offline, below the run folder."""

    def __init__(self, start: Start) -> None:
        import wandb

        self._run: Any = wandb.init(
            dir=str(start.folder / "logs"),
            name=start.name,
            config=dict(start.config),
            mode=os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline"),
            id=(known := start.known_as("wandb")),
            resume="allow" if known else None,
        )
        start.remember("wandb", self._run.id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class MLflow:
    """The MLflow server (or folder) of MLFLOW_TRACKING_URI."""

    def __init__(self, start: Start) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        known = start.known_as("mlflow")
        run = mlflow.start_run(run_id=known) if known else mlflow.start_run(run_name=start.name)
        start.remember("mlflow", run.info.run_id)
        if not known:  # what a run was begun with cannot be changed there
            mlflow.log_params(dict(start.config))

    def log(self, values: Mapping[str, float], step: int) -> None:
        # MLflow refuses other characters, which class names may have.
        self._mlflow.log_metrics({re.sub(r"[^\w/. :-]", "_", name): v for name, v in values.items()}, step=step)

    def close(self, *, failed: bool) -> None:
        self._mlflow.end_run("FAILED" if failed else "FINISHED")


_Maker = Callable[[Start], Tracker]
# module that must be importable -> (how it is switched on: any of these variables, none = always; the tracker)
_TRACKERS: dict[str, tuple[tuple[str, ...], _Maker]] = {
    "tensorboard": ((), TensorBoard),
    "wandb": (("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"), WandB),
    "mlflow": (("MLFLOW_TRACKING_URI",), MLflow),
}


def configured(start: Start) -> list[Tracker]:
    """The trackers that are switched on; one whose package is missing is named, not silently left out."""
    found: list[Tracker] = []
    for module, (variables, make) in _TRACKERS.items():
        if variables and not any(os.environ.get(name) for name in variables):
            continue
        if importlib.util.find_spec(module) is None or importlib.util.find_spec("torch") is None:
            print(f"{module} is not installed: nothing is logged there", file=sys.stderr)
        else:
            found.append(make(start))
    return found
