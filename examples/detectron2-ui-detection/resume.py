"""Where a run goes on: which checkpoint, how far it got, and what of its log and best model comes along."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration import frozen_stages

from cvl import contract
from cvl.errors import DataError, UsageError
from cvl.kit import checkpoints
from cvl.kit.run import say
from cvl.kit.runlog import write_text
from cvl.params import Values

NATIVE_LOG = f"{contract.NATIVE}/metrics.json"
# What must be the same when a run goes on.
_KEPT = ("MODEL", "ANCHOR_SIZES", "ASPECT_RATIOS", "FREEZE", "OPTIMIZER", "WEIGHT_DECAY")


@dataclass(frozen=True)
class Resumed:
    """A run with something left to do: its state after `epoch`; none where it stopped before its first checkpoint."""

    file: Path | None
    folder: Path | None
    state: Mapping[str, Any]

    @property
    def epoch(self) -> int:
        return int(self.state.get("epoch", 0))

    @property
    def weights(self) -> str:
        """What the run began with."""
        return str(self.state["config"]["WEIGHTS"])

    def check(self, classes: Sequence[str], steps: int) -> None:
        """Refuses other classes, and epochs of another length."""
        if self.epoch and list(self.state["classes"]) != list(classes):
            known = ", ".join(self.state["classes"])
            raise DataError(
                f"the checkpoint was trained on {known}; the data has {', '.join(classes)}",
                hint="a run goes on with the classes it began with",
            )
        if self.epoch and self.state["steps"] != steps:
            raise UsageError(
                f"RESUME {self.file}: its epochs have {self.state['steps']} iterations, these {steps}",
                hint="data, BATCH_SIZE, GRAD_ACCUM and DEVICES must be those of the run",
            )

    def bring_over(self, folder: Path) -> None:
        """Log and best checkpoint come along where the run goes on in another folder."""
        if self.file:
            checkpoints.bring_over(self.file, folder, (*checkpoints.BROUGHT, NATIVE_LOG))
            _rewind(folder / NATIVE_LOG, self.epoch * int(self.state["steps"]))
            say(f"resuming {self.file} after epoch {self.epoch}")


def find(params: Values) -> Resumed | None:
    """RESUME as a state that fits the parameters; None where there is nothing to go on from."""
    if not params.RESUME:
        return None
    folder = Path(params.RESUME)
    if (folder / contract.METRICS).is_file() and not (folder / checkpoints.LATEST).exists():
        say(f"{folder} was stopped before its first checkpoint: beginning anew")
        return Resumed(None, folder, {})
    file = checkpoints.resume_from(params.RESUME)
    state = checkpoints.read(file)
    if not {"optimizer", "config", "cfg", "classes", "steps"} <= state.keys():
        raise UsageError(f"RESUME {file}: holds no optimizer state", hint="latest_model.pt and epoch_NNN.pt do")
    wanted_now = params.as_dict() | {"FREEZE": frozen_stages(params, state["config"]["WEIGHTS"])}
    for name in _KEPT:
        was, wanted = state["config"].get(name), wanted_now[name]
        if was != wanted:
            raise UsageError(f"RESUME {file}: its {name} is {was}, not {wanted}", hint=f"set {name}={was}")
    if state["epoch"] > params.NUM_EPOCHS:
        hint = f"NUM_EPOCHS above {state['epoch']} goes on"
        raise UsageError(f"RESUME {file}: {state['epoch']} epochs are done, of {params.NUM_EPOCHS}", hint=hint)
    return Resumed(file, checkpoints.run_of(file), state)


def _rewind(file: Path, iterations: int) -> None:
    """The library's log without the rows of iterations that come again (they count from 0)."""
    if not file.exists():
        return
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if _iteration(line) < iterations]
    write_text(file, "".join(f"{line}\n" for line in kept))


def _iteration(line: str) -> float:
    try:
        return float(json.loads(line)["iteration"])
    except (ValueError, LookupError, TypeError):  # torn by a kill
        return float("inf")
