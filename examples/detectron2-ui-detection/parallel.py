"""Several processes by the library's own launcher: on a CPU they talk by gloo, on GPUs by NCCL."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from library import comm, launch
from torch.multiprocessing import ProcessExitedException

from cvl.errors import JobError, UsageError
from cvl.kit import run
from cvl.kit.run import say

T = TypeVar("T")
PATIENCE = timedelta(days=1)  # while the first process validates, the others wait


def start(job: Callable[..., None], devices: int, *args: Any) -> None:
    """`job(*args)` in `devices` processes; 0: all GPUs, or one process on a CPU."""
    gpus = torch.cuda.device_count()
    if gpus and devices > gpus:
        raise UsageError(f"DEVICES={devices}: this machine has {gpus} GPUs", hint="DEVICES=0: all")
    count = devices or max(1, gpus)
    if count == 1:
        job(*args)
        return
    say(f"{count} processes")
    try:
        launch(_begin, count, dist_url="auto", args=(job, args), timeout=PATIENCE)
    except ProcessExitedException as error:
        if error.exit_code < 0:
            hint = "out of memory? BATCH_SIZE, IMAGE_SIZE or NUM_WORKERS may be too high"
            ended = signal.Signals(-error.exit_code).name
            raise JobError(f"process {error.error_index} was ended by {ended}", hint=hint) from None
        raise SystemExit(error.exit_code or 1) from None  # it has said why
    except KeyboardInterrupt:
        _end_all()
        raise


def first(make: Callable[[], T]) -> T:
    """What `make()` gives in the first process, in all of them."""
    return cast(T, comm.all_gather(make() if comm.is_main_process() else None)[0])


def in_first(make: Callable[[], T]) -> T:
    """`make()` in the first process; in the others a stand-in whose methods do nothing and return None."""
    return make() if comm.is_main_process() else cast(T, _Idle())


def _begin(job: Callable[..., None], args: tuple[Any, ...]) -> None:
    os.environ["LOCAL_RANK"] = str(comm.get_local_rank())  # only the first one talks
    torch.set_num_threads(max(1, torch.get_num_threads() // comm.get_local_size()))
    try:
        run.main(lambda: job(*args))
    except SystemExit as end:
        if end.code:
            raise
    torch.distributed.destroy_process_group()


def _end_all() -> None:
    for process in multiprocessing.active_children():
        with suppress(OSError):
            process.terminate()


class _Idle:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values, **named: None
