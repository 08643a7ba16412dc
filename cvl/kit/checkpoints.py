"""Checkpoints: written whole or not at all, read without running what may hide in them, found again."""

from __future__ import annotations

import os
import pickle
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cvl.contract import CHECKPOINTS, METRICS
from cvl.errors import JobError, UsageError
from cvl.kit import runlog
from cvl.kit.run import say

BEST = f"{CHECKPOINTS}/best_model.pt"
LATEST = f"{CHECKPOINTS}/latest_model.pt"
# What a run needs of the one that it goes on from, beside the checkpoint.
BROUGHT = (METRICS, "logs/epoch_metrics.csv", "logs/batch_metrics.csv", BEST)
_NEEDED = ("model", "epoch")
_EPOCH = re.compile(r"epoch_(\d+)\.pt")


def write(file: Path, state: Mapping[str, Any]) -> None:
    """torch.save under a temporary name, read once as `read` will, then moved; JobError where the disk refuses.

    `state` holds at least `model` (a state dict) and `epoch`; tensors and plain Python values, nothing else.
    """
    temporary = file.with_name(f".{file.name}.tmp")
    hint = "free space or name another OUTPUT_DIR, then go on with RESUME"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _save(temporary, state)
        os.replace(temporary, file)
    except OSError as error:
        raise JobError(f"{file} could not be written: {error.strerror or error}", hint=hint) from error
    finally:
        with suppress(OSError):  # where the folder is the trouble
            temporary.unlink(missing_ok=True)


def _save(file: Path, state: Mapping[str, Any]) -> None:
    """OSError where the disk refuses, TypeError where `read` could not load what `state` holds."""
    import torch

    with file.open("wb") as out:
        try:
            torch.save(dict(state), out)
        except RuntimeError as error:  # the archive's end, which does not fit either, hides the cause
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
        out.flush()
        os.fsync(out.fileno())
    try:
        torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        found = str(error).rpartition("WeightsUnpickler error: ")[2].partition("\n")[0]
        raise TypeError(f"a checkpoint holds tensors and plain values only: {found}") from None


def read(file: Path) -> dict[str, Any]:
    """The state in `file` on the CPU, without running code; UsageError where it is no checkpoint of ours."""
    import torch

    hint = "a .pt file that this example trained, such as checkpoints/best_model.pt of a run"
    if not file.is_file():
        raise UsageError(f"{file}: there is no such checkpoint", hint=hint)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{file} could not be read: {error.strerror or error}") from error
    except Exception as error:  # torch raises whatever the content of the file leads it to
        raise UsageError(f"{file}: is no checkpoint ({type(error).__name__})", hint=hint) from error
    missing = [name for name in _NEEDED if not isinstance(content, dict) or name not in content]
    if missing:
        raise UsageError(f"{file}: is no checkpoint of a run, it holds no {' and no '.join(missing)}", hint=hint)
    return dict(content)


class Checkpoints:
    """The checkpoints of a run folder: latest, best, and one every `save_every` epochs (0: none).

    Of the latter only the newest `keep` remain (0: all).
    """

    def __init__(self, folder: Path, *, save_every: int = 0, keep: int = 0) -> None:
        self._folder = folder
        self._save_every = save_every
        self._keep = keep

    def save(self, state: Mapping[str, Any], best: Mapping[str, Any], *, epoch: int, is_best: bool) -> str:
        """Writes what `epoch` (from 1) asks for; the name for the column checkpoint_path of epoch_metrics.csv.

        `state` is everything to go on from, `best` what others load: model, epoch, metrics, config. The latest comes
        last: a run that is killed before does the epoch again, and writes the same files again.
        """
        if is_best:
            write(self._folder / BEST, best)
        if self._save_every and epoch % self._save_every == 0:
            write(self._folder / CHECKPOINTS / f"epoch_{epoch:03d}.pt", state)
            self._prune(epoch)
        write(self._folder / LATEST, state)
        return LATEST

    def has_best(self, epoch: int) -> bool:
        """Whether best_model.pt is of `epoch`, after which the run goes on, or of an earlier one.

        Where it is not, that best model is lost or of a future that is trained again: begin with a fresh `Best`.
        """
        try:
            return bool(read(self._folder / BEST)["epoch"] <= epoch)
        except UsageError:
            return False

    def _prune(self, epoch: int) -> None:
        """What is numbered above `epoch` is of a run that went further before: it is left until it is reached again."""
        done = [file for number, file in self._numbered() if number <= epoch]
        for file in done[: -self._keep] if self._keep else ():
            file.unlink()

    def _numbered(self) -> list[tuple[int, Path]]:
        found = [(_EPOCH.fullmatch(file.name), file) for file in (self._folder / CHECKPOINTS).glob("epoch_*.pt")]
        return sorted((int(match[1]), file) for match, file in found if match)


def resume_from(resume: str) -> Path:
    """The checkpoint that RESUME names: a file, or the latest of a run folder."""
    path = Path(resume)
    file = path / LATEST if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"RESUME {file}: there is no such checkpoint", hint="a run folder, or a .pt file of one")
    return file.resolve()


def run_of(file: Path) -> Path | None:
    """The run folder that the checkpoint lies in; None where it lies alone."""
    folder = file.parent.parent
    return folder if (folder / METRICS).is_file() else None


def bring_over(file: Path, folder: Path, names: Sequence[str] = BROUGHT) -> None:
    """Log and best model come along where the run of `file` goes on in another `folder`; nothing is overwritten."""
    source = run_of(file)
    if source is None or source == folder:
        return
    for name in names:
        target = folder / name
        if (source / name).is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.tmp")
            shutil.copyfile(source / name, temporary)
            os.replace(temporary, target)


def best_of(wanted: str | None, output_dir: str | None, outputs: Path) -> Path:
    """CHECKPOINT (a .pt file or a run folder); unset: the best model that was trained last, said aloud.

    That is the one of the run in OUTPUT_DIR itself, else of the runs beside it, else of those in `outputs`, the
    example's own folder of runs; runs of other examples that lie there do not count.
    """
    if wanted:
        file = Path(wanted) / BEST if Path(wanted).is_dir() else Path(wanted)
        if not file.is_file():
            raise UsageError(f"CHECKPOINT {file}: there is no such file", hint="a .pt file, or the folder of a run")
    else:
        file = _trained_last(output_dir, outputs)
    say(f"checkpoint: {file.resolve()}")
    return file.resolve()


def _trained_last(output_dir: str | None, outputs: Path) -> Path:
    example = outputs.parent.name
    own = Path(output_dir) if output_dir else None
    for runs in ([own] if own else [], own.parent.glob("*") if own else [], outputs.glob("*")):
        found = [run / BEST for run in runs if (run / BEST).is_file() and runlog.example_of(run) == example]
        if found:
            return max(found, key=lambda file: file.stat().st_mtime)
    raise UsageError("there is no trained model yet", hint=f"train first: cvl run {outputs.parent.name} smoke")
