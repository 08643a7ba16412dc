"""Device, precision and processes by Lightning Fabric: the same train.py on a CPU, one GPU, many GPUs, many nodes."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment

from cvl.errors import UsageError
from cvl.kit import run
from cvl.kit.run import say

T = TypeVar("T")
GRACE_SECONDS = 3.0
_FABRIC = {"fp32": "32-true", "fp16": "16-mixed", "bf16": "bf16-mixed"}


def resolve(precision: str) -> str:
    """fp32, fp16 or bf16: what PRECISION (auto too) means on this machine; what cannot be had is said aloud."""
    gpu = torch.cuda.is_available()
    bf16 = gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "auto":
        return "bf16" if bf16 else "fp16" if gpu else "fp32"
    if precision == "fp16" and not gpu:
        say("PRECISION=fp16 needs a GPU: training in fp32")
        return "fp32"
    if precision == "bf16" and gpu and not bf16:
        say("PRECISION=bf16: this GPU has none, training in fp16")
        return "fp16"
    return precision


def fabric(precision: str, *, devices: int = 0) -> Any:
    """A launched Fabric; `devices` are processes a machine, 0 means all GPUs, or one process on a CPU.

    Where it starts processes itself each runs the script again from its first line: call it early, and make the run
    folder after it. Under torchrun and srun the processes are there already, and `devices` must fit their number.
    """
    started = _started_by_others()
    count, nodes = started or (devices or max(1, torch.cuda.device_count()), 1)
    if devices and devices != count:
        raise UsageError(f"DEVICES={devices}, but {count} processes were started on this machine")
    if torch.cuda.is_available() and count > torch.cuda.device_count():
        raise UsageError(f"DEVICES={count}: this machine has {torch.cuda.device_count()} GPUs", hint="DEVICES=0: all")
    made = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=count,
        num_nodes=nodes,
        strategy="ddp" if count * nodes > 1 else "auto",
        precision=_FABRIC[resolve(precision)],
        plugins=None if started else [LightningEnvironment()],
    )
    if not started and run.rank():
        threading.Thread(target=_end_with_the_first, args=(os.getppid(),), daemon=True).start()
    made.launch()
    if not started and count > 1 and made.is_global_zero:
        atexit.register(_end_the_others, made.strategy.launcher.procs)
    if made.world_size > 1:
        atexit.register(_leave)
        say(f"{made.world_size} processes")
    return made


def precision(fabric: Any) -> str:
    """fp32, fp16 or bf16: what a launched Fabric computes in."""
    return {theirs: ours for ours, theirs in _FABRIC.items()}[fabric.strategy.precision.precision]


def freeze_unused(model: Any, images: Any) -> None:
    """Weights that no gradient reaches are not trained: DDP would wait for their gradients and give up."""
    training = model.training
    model.eval()(images).sum().backward()
    for weight in model.parameters():
        weight.requires_grad_(weight.grad is not None)
    model.zero_grad()
    model.train(training)


def folder(fabric: Any, script: str, output_dir: str | None) -> Path:
    """`run.folder` for all processes: the first one makes it."""
    made = run.folder(script, output_dir) if fabric.is_global_zero else None
    return cast(Path, fabric.broadcast(made))


def in_first(fabric: Any, make: Callable[[], T]) -> T:
    """`make()` in the first process; in the others a stand-in whose methods do nothing and return None."""
    return make() if fabric.is_global_zero else cast(T, _Idle())


def _end_the_others(processes: list[Any]) -> None:
    """Before this process leaves them alone in the middle of a step; those that are done end by themselves."""
    others = processes.copy()
    processes.clear()  # else Lightning's observer kills this process because one of them was
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(other.poll() is None for other in others):
        time.sleep(0.05)
    for other in others:
        if other.poll() is None:
            other.kill()


def _leave() -> None:
    """Threads of a process group that is left as it is may abort the process while it ends."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _end_with_the_first(parent: int) -> None:
    """Where the first process is killed the others would wait for it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def mean(fabric: Any, values: Sequence[Any]) -> list[float]:
    """Each of these scalar tensors, its mean over the processes: not finite in all where it is not finite in one."""
    return cast(list[float], fabric.all_reduce(torch.stack([value.detach().float() for value in values])).tolist())


class _Idle:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values, **named: None


def _started_by_others() -> tuple[int, int] | None:
    """(processes on this machine, machines) where torchrun or srun started them."""
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        return int(env["LOCAL_WORLD_SIZE"]), int(env["WORLD_SIZE"]) // int(env["LOCAL_WORLD_SIZE"])
    tasks = int(env.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks > 1:
        nodes = int(env.get("SLURM_STEP_NUM_NODES", "1"))
        return tasks // nodes, nodes
    return None
