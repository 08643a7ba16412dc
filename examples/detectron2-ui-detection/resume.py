"""Where a run goes on: which checkpoint, how far it got, and what of its log and best model comes along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from configuration import frozen_stages

from cvl import contract
from cvl.errors import DataError, UsageError
from cvl.kit import checkpoints, resuming
from cvl.kit.resuming import Resumed
from cvl.kit.run import say
from cvl.kit.runlog import write_text
from cvl.params import Values

NATIVE_LOG = f"{contract.NATIVE}/metrics.json"
# What must be the same when a run goes on.
_KEPT = ("MODEL", "IMAGE_SIZE", "ANCHOR_SIZES", "ASPECT_RATIOS", "FREEZE", "OPTIMIZER", "WEIGHT_DECAY")


def find(params: Values) -> Resumed | None:
    """RESUME as a state that fits the parameters; None where there is nothing to go on from."""
    if not params.RESUME:
        return None
    found = resuming.resume(params.RESUME, needs={"cfg", "classes", "steps"})
    if found.epoch:
        found.fits(params.as_dict() | {"FREEZE": frozen_stages(params, found.weights)}, _KEPT)
    return found


def check(resumed: Resumed, classes: Sequence[str], steps: int) -> None:
    """Refuses other classes, and epochs of another length."""
    if resumed.epoch and list(resumed.state["classes"]) != list(classes):
        known = ", ".join(resumed.state["classes"])
        raise DataError(
            f"the checkpoint was trained on {known}; the data has {', '.join(classes)}",
            hint="a run goes on with the classes it began with",
        )
    if resumed.epoch and resumed.state["steps"] != steps:
        raise UsageError(
            f"RESUME {resumed.file}: its epochs have {resumed.state['steps']} iterations, these {steps}",
            hint="data, BATCH_SIZE, GRAD_ACCUM and DEVICES must be those of the run",
        )


def bring_over(resumed: Resumed, folder: Path) -> None:
    """Log and best checkpoint come along where the run goes on in another folder."""
    if resumed.file:
        checkpoints.bring_over(resumed.file, folder, (*checkpoints.BROUGHT, NATIVE_LOG))
        _rewind(folder / NATIVE_LOG, resumed.epoch * int(resumed.state["steps"]))
        say(f"resuming {resumed.file} after epoch {resumed.epoch}")


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
