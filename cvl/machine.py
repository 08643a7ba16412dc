"""Facts about the machine and the code that a run record keeps."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any


def hardware() -> dict[str, Any]:
    """CPU model, cores, memory in GB and the GPUs that the driver reports."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "gpus": gpus(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def gpus() -> list[str]:
    """`name, memory, driver` of each NVIDIA GPU; empty without a working driver."""
    return _lines(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"])


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the repository that holds `folder`, and whether that folder has changes; empty outside git."""
    commit = _lines(["git", "-C", str(folder), "rev-parse", "HEAD"])
    if not commit:
        return {}
    changes = _lines(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    return {"commit": commit[0], "changed": bool(changes)}


def content_hash(folder: Path) -> str:
    """SHA-256 over names and bytes of the code in an example's folder, without its outputs."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            digest.update(f"{path.name}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def process_runs(pid: int) -> bool:
    """Whether a process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return pid > 0


def _lines(command: list[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gb() -> float:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError):
        return 0.0
