"""Whether a Docker engine can hand on GPUs, and which layer is missing where it cannot."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvl import container

if TYPE_CHECKING:
    from docker.types import DeviceRequest

NVIDIA, CDI, NONE = "nvidia", "cdi", ""


def support(info: Mapping[str, Any], *, local: bool) -> tuple[str, str]:
    """How the engine of `docker info` hands on GPUs (NVIDIA, CDI or NONE), and the layer that is missing.

    Of an engine on another machine only its own word counts.
    """
    if local and not any(Path(sign).exists() for sign in container.DRIVER_SIGNS):
        return NONE, container.NO_DRIVER
    if "nvidia" in (info.get("Runtimes") or {}) or (local and shutil.which(container.TOOLKIT_HOOK)):
        return NVIDIA, ""
    if any(str(device.get("ID", "")).startswith("nvidia.com/gpu") for device in info.get("DiscoveredDevices") or ()):
        return CDI, ""
    installed = any(map(shutil.which, container.TOOLKIT_PROGRAMS))
    return NONE, container.NOT_CONFIGURED if installed or not local else container.NO_TOOLKIT


def words(gpus: str, how: str) -> list[tuple[str, str]]:
    """The options of `docker run` for `all`, a number, or ids such as `0,1` or `device=1`."""
    if how == NONE:
        return []
    if how == CDI:
        return [("--device", device) for device in cdi_devices(gpus)]
    ids = device_ids(gpus)
    return [("--gpus", f'"device={",".join(ids)}"' if ids else gpus)]


def requests(gpus: str, how: str) -> list[DeviceRequest]:
    """The same as the SDK takes it."""
    from docker.types import DeviceRequest

    if how == NONE:
        return []
    if how == CDI:
        return [DeviceRequest(driver="cdi", device_ids=cdi_devices(gpus))]
    ids = device_ids(gpus)
    count = 0 if ids else int(gpus) if gpus.isdigit() else -1
    return [DeviceRequest(device_ids=ids, count=count, capabilities=[["gpu"]])]


def device_ids(gpus: str) -> list[str]:
    """The ids that are named; none where all are meant or a number is given."""
    return [] if gpus == "all" or gpus.isdigit() else gpus.removeprefix("device=").split(",")


def cdi_devices(gpus: str) -> list[str]:
    """The same as names of the Container Device Interface."""
    ids = [str(i) for i in range(int(gpus))] if gpus.isdigit() else device_ids(gpus) or ["all"]
    return [f"nvidia.com/gpu={i}" for i in ids]
