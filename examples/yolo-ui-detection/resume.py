"""Where a run goes on: which checkpoint, how far it got, and what of its log and best model comes along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from library import load_checkpoint

from cvl.contract import CONFIG
from cvl.errors import DataError, UsageError
from cvl.kit import checkpoints
from cvl.kit.run import say
from cvl.kit.runlog import rewind_csv


@dataclass(frozen=True)
class Start:
    """A checkpoint with something left to train: `done` epochs of `model` on `classes`."""

    file: Path
    done: int
    model: str
    classes: tuple[str, ...]

    @property
    def folder(self) -> Path | None:
        """The run folder that the checkpoint lies in."""
        return checkpoints.run_of(self.file)

    @property
    def weights(self) -> str:
        """WEIGHTS as they turned out when the run began; `auto` where that is not known."""
        config = self.folder / CONFIG if self.folder else None
        known = yaml.safe_load(config.read_text(encoding="utf-8")) if config and config.is_file() else {}
        return str(known.get("WEIGHTS", "auto"))

    def check_classes(self, classes: Sequence[str]) -> None:
        """The head was made for these classes and no others."""
        if self.classes != tuple(classes):
            raise DataError(
                f"RESUME {self.file}: was trained on {', '.join(self.classes)}; the data has {', '.join(classes)}",
                hint="WEIGHTS=<the checkpoint> starts a new run from its weights with other classes",
            )


def find(resume: str, epochs: int) -> Start:
    """The checkpoint that RESUME names, once it is known that `epochs` are not done yet."""
    file = checkpoints.resume_from(resume)
    try:
        model, content = load_checkpoint(file)
    except Exception as error:  # the library raises whatever the content of the file leads it to
        raise UsageError(f"RESUME {file}: is no YOLO checkpoint ({type(error).__name__})") from error
    done = int(content.get("epoch", -1)) + 1
    if done == 0:
        raise UsageError(f"RESUME {file}: holds no optimizer state", hint="latest_model.pt and epoch_NNN.pt do")
    if done >= epochs:
        raise UsageError(f"RESUME {file}: its {done} epochs are done", hint=f"NUM_EPOCHS above {done} goes on")
    return Start(file, done, Path(model.yaml["yaml_file"]).stem, tuple(model.names.values()))


def bring_over(start: Start, folder: Path) -> None:
    """Log and best checkpoint come along where the run goes on in another folder."""
    checkpoints.bring_over(start.file, folder)
    rewind_csv(folder / "native" / "results.csv", start.done)
    say(f"resuming {start.file} ({start.model}) after epoch {start.done}")
