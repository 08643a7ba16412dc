"""The frame of a job: run folder, device, seeds, and how it ends."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from cvl import contract
from cvl.errors import CvlError, JobError, UsageError
from cvl.params import Setting


def say(text: str) -> None:
    """Talk goes to stderr: stdout is for data. Of processes that train together only the first talks."""
    if rank() == 0:
        print(text, file=sys.stderr, flush=True)


def rank() -> int:
    """This process's number among those that train together, whoever started them; 0 where it is alone."""
    if "RANK" in os.environ:  # torchrun
        return int(os.environ["RANK"])
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("LOCAL_RANK", "0"))  # Lightning


def main(job: Callable[[], None]) -> NoReturn:
    """Runs `job` and ends the process: expected failures as a message with a hint, SIGTERM like Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(_exit_code(job))


def device() -> str:
    """`cuda` where a GPU can be used, else `cpu`; said aloud."""
    import torch

    if not torch.cuda.is_available():
        say("no GPU: running on the CPU")
        return "cpu"
    gpu = torch.cuda.get_device_properties(0)
    say(f"GPU: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB")
    return "cuda"


def say_device_defaults(settings: Mapping[str, Setting], device: str) -> None:
    """Which defaults the device chose; nothing where it chose none."""
    chosen = [f"{name}={setting.value}" for name, setting in settings.items() if setting.source == "device"]
    if chosen:
        say(f"defaults for {device}: {', '.join(chosen)}")


def seed_everything(seed: int, *, deterministic: bool) -> None:
    """Python, NumPy and torch; `deterministic` also asks for deterministic algorithms."""
    import random

    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = not deterministic
    say(f"seed {seed}{', deterministic' if deterministic else ''}")


def require(packages: Sequence[str], what: str) -> None:
    """JobError where one of the `packages` that `what` needs is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise JobError(f"{what} needs {', '.join(missing)}", hint="pip install -r requirements.txt")


def folder(script: str, output_dir: str | None) -> Path:
    """OUTPUT_DIR, or a new folder under the example's outputs/, with `outputs/latest` pointing at it.

    Without `cvl run`, which keeps the log itself, what is printed from here on also goes to logs/train.log.
    """
    made = Path(output_dir).resolve() if output_dir else _new_folder(Path(script).resolve())
    try:
        (made / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"OUTPUT_DIR {made}: {error.strerror}", hint="name a folder that you may write to") from None
    if not os.environ.get(contract.RUN):
        _tee(made / contract.TRAIN_LOG)
    say(f"run folder: {made}")
    return made


def _new_folder(script: Path) -> Path:
    outputs = script.parent / "outputs"
    run = outputs / f"{script.stem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    outputs.mkdir(exist_ok=True)
    temporary = outputs / f".latest-{run.name}"
    temporary.symlink_to(run.name, target_is_directory=True)
    os.replace(temporary, outputs / "latest")
    return run


def _exit_code(job: Callable[[], None]) -> int:
    try:
        job()
    except CvlError as error:
        _say_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except Exception as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        hint = "halve BATCH_SIZE and double GRAD_ACCUM, or a smaller IMAGE_SIZE"
        _say_error(JobError(str(error), hint=hint))
        return JobError.exit_code
    return 0


def _say_error(error: CvlError) -> None:
    """Of whichever process: the others may not know."""
    print(f"error{f' in process {rank()}' if rank() else ''}: {error}", file=sys.stderr, flush=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Tee:
    """A text stream whose writes also go to a file."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self._stream = stream
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._file.flush()
        self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _tee(file: Path) -> None:
    log = file.open("a", encoding="utf-8", buffering=1)
    sys.stdout, sys.stderr = _Tee(sys.stdout, log), _Tee(sys.stderr, log)
