"""Where the run of a loop of our own goes on: its state, once it is known to fit the parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvl.contract import METRICS
from cvl.errors import UsageError
from cvl.kit import checkpoints
from cvl.kit.run import say


@dataclass(frozen=True)
class Resumed:
    """The state of a run after `epoch`; without a file where it was stopped before its first checkpoint."""

    file: Path | None
    folder: Path | None
    state: Mapping[str, Any]

    @property
    def epoch(self) -> int:
        return int(self.state.get("epoch", 0))

    @property
    def weights(self) -> str:
        """What WEIGHTS turned out to be when the run began."""
        return str(self.state["config"]["WEIGHTS"])

    def fits(self, parameters: Mapping[str, Any], kept: Sequence[str]) -> None:
        """UsageError where one of the `kept` parameters is another now, or more than NUM_EPOCHS epochs are done."""
        if self.file is None:
            return
        for name in kept:
            was, wanted = self.state["config"].get(name), parameters[name]
            if was != wanted:
                raise UsageError(f"RESUME {self.file}: its {name} is {was}, not {wanted}", hint=f"set {name}={was}")
        if self.epoch > parameters["NUM_EPOCHS"]:
            raise UsageError(
                f"RESUME {self.file}: {self.epoch} epochs are done, of {parameters['NUM_EPOCHS']}",
                hint=f"NUM_EPOCHS above {self.epoch} goes on",
            )
        if self.epoch == parameters["NUM_EPOCHS"]:
            say(f"all {self.epoch} epochs are done: its best model is judged again; a higher NUM_EPOCHS goes on")


def resume(wanted: str, needs: Collection[str] = ()) -> Resumed:
    """What RESUME names, a run folder or a checkpoint; `needs`: what else its state must hold to go on."""
    folder = Path(wanted)
    if (folder / METRICS).is_file() and not (folder / checkpoints.LATEST).exists():
        say(f"{folder} was stopped before its first checkpoint: beginning anew")
        return Resumed(None, folder, {})
    file = checkpoints.resume_from(wanted)
    state = checkpoints.read(file)
    if not {"optimizer", "config", *needs} <= state.keys():
        raise UsageError(f"RESUME {file}: holds no optimizer state", hint="latest_model.pt and epoch_NNN.pt do")
    return Resumed(file, checkpoints.run_of(file), state)
