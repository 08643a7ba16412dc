"""What a job's container has, whoever starts it, as the words of `docker run`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cvl import contract
from cvl.plan import Mount

FLAGS = ("--rm", "--init")
SECURITY = "no-new-privileges"

# Any of these: the NVIDIA driver is loaded (the last is the one of WSL).
DRIVER_SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
# Docker hands on GPUs where its `nvidia` runtime or this program is there.
TOOLKIT_HOOK = "nvidia-container-runtime-hook"
TOOLKIT_PROGRAMS = (TOOLKIT_HOOK, "nvidia-container-runtime", "nvidia-ctk")

NO_DRIVER = "driver, the NVIDIA kernel module is not loaded"
NO_TOOLKIT = "toolkit, nvidia-container-toolkit is not installed"
NOT_CONFIGURED = "engine configuration, Docker has no nvidia runtime; run nvidia-ctk runtime configure, restart it"


def options(*, shm_gb: float, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The options of every container, as pairs of flag and value."""
    return [
        ("--workdir", contract.WORKSPACE),
        ("--shm-size", shm_size(shm_gb)),
        ("--security-opt", SECURITY),
        *(("--label", f"{name}={value}") for name, value in labels.items()),
    ]


def shm_size(gigabytes: float) -> str:
    """Shared memory as Docker spells it."""
    return f"{round(gigabytes * 1024)}m"


def mount_option(mount: Mount) -> str:
    """The value of `--mount`, which Docker reads as a line of CSV."""
    source = f"src={mount.source}"
    if "," in source or '"' in source:
        source = '"' + source.replace('"', '""') + '"'
    return f"type=bind,{source},dst={mount.target}" + (",readonly" if mount.read_only else "")


def no_gpu(missing: str) -> str:
    """What a job without a GPU is told."""
    return f"no GPU for the container (missing: {missing})"
