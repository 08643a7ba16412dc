"""Facts about the machine and the code that a run record keeps."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LARGEST_CODE = 1 << 24  # bytes
_NO_CODE = ("outputs", "evidence")
_IGNORED = ("--others", "--ignored", "--exclude-standard", "--directory")


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
    commit = _lines([*_git(folder), "rev-parse", "HEAD"])
    if not commit:
        return {}
    changes = _lines([*_git(folder), "status", "--porcelain", "--untracked-files=no"])
    return {"commit": commit[0], "changed": bool(changes)}


def content_hash(folder: Path) -> str:
    """SHA-256 over names and bytes of the code in an example's folder and the folders in it.

    Without outputs, evidence, caches, hidden files and what git ignores. Of a file over 16 MiB, which is data, the size
    stands for the bytes.
    """
    digest = hashlib.sha256()
    for path in sorted(_code(folder)):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        size = path.stat().st_size
        digest.update(path.read_bytes() if size <= _LARGEST_CODE else b"%d" % size)
    return digest.hexdigest()


def _code(folder: Path) -> Iterator[Path]:
    """The files below `folder` that are its own; a link to a folder is not followed."""
    ignored = {folder / name for name in _lines([*_git(folder), "ls-files", *_IGNORED, "."])}
    for root, folders, files in os.walk(folder):
        here = Path(root)
        outer = _NO_CODE if here == folder else ()
        folders[:] = [n for n in folders if _is_own(n) and n not in outer and here / n not in ignored]
        paths = (here / name for name in files if _is_own(name))
        yield from (path for path in paths if path.is_file() and path not in ignored)


def _is_own(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"


def _git(folder: Path) -> list[str]:
    return ["git", "-c", "core.quotePath=false", "-C", str(folder)]


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
