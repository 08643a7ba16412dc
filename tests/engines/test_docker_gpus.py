"""The layers between a GPU and a container. The machines are made up: driver, programs and `docker info` are fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cvl import container
from cvl.engines import docker_gpus as gpus

NVIDIA_RUNTIME = {"Runtimes": {"runc": {}, "nvidia": {"path": "nvidia-container-runtime"}}}
CDI_DEVICE = {"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]}
PLAIN: dict[str, Any] = {"Runtimes": {"runc": {}}, "DiscoveredDevices": None}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets up which programs there are, and whether the driver is loaded."""

    def make(*programs: str, driver: bool = True) -> None:
        for name in programs:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(container, "DRIVER_SIGNS", (str(tmp_path if driver else tmp_path / "absent"),))

    return make


@pytest.mark.parametrize(
    ("programs", "driver", "info", "how", "missing"),
    [
        ((), False, PLAIN, gpus.NONE, container.NO_DRIVER),
        ((container.TOOLKIT_HOOK,), False, NVIDIA_RUNTIME, gpus.NONE, container.NO_DRIVER),
        ((), True, PLAIN, gpus.NONE, container.NO_TOOLKIT),
        (("nvidia-ctk",), True, PLAIN, gpus.NONE, container.NOT_CONFIGURED),
        (("nvidia-container-runtime",), True, PLAIN, gpus.NONE, container.NOT_CONFIGURED),
        (("nvidia-ctk",), True, NVIDIA_RUNTIME, gpus.NVIDIA, ""),
        ((container.TOOLKIT_HOOK,), True, PLAIN, gpus.NVIDIA, ""),
        (("nvidia-ctk",), True, CDI_DEVICE, gpus.CDI, ""),
    ],
)
def test_the_missing_layer(
    machine: Any, programs: tuple[str, ...], driver: bool, info: dict[str, Any], how: str, missing: str
) -> None:
    machine(*programs, driver=driver)
    assert gpus.support(info, local=True) == (how, missing)


def test_of_another_machine_only_its_engine_speaks(machine: Any) -> None:
    machine(driver=False)
    assert gpus.support(NVIDIA_RUNTIME, local=False) == (gpus.NVIDIA, "")
    assert gpus.support(PLAIN, local=False) == (gpus.NONE, container.NOT_CONFIGURED)


@pytest.mark.parametrize(
    ("wanted", "word", "count", "ids", "cdi"),
    [
        ("all", "all", -1, [], ["all"]),
        ("2", "2", 2, [], ["0", "1"]),
        ("0,3", '"device=0,3"', 0, ["0", "3"], ["0", "3"]),
        ("device=1", '"device=1"', 0, ["1"], ["1"]),
    ],
)
def test_docker_run_and_the_sdk_ask_for_the_same(
    wanted: str, word: str, count: int, ids: list[str], cdi: list[str]
) -> None:
    devices = [f"nvidia.com/gpu={i}" for i in cdi]
    assert gpus.words(wanted, gpus.NVIDIA) == [("--gpus", word)]
    assert gpus.words(wanted, gpus.CDI) == [("--device", device) for device in devices]
    assert gpus.words(wanted, gpus.NONE) == gpus.requests(wanted, gpus.NONE) == []
    (request,) = gpus.requests(wanted, gpus.NVIDIA)
    assert (request["Count"], request["DeviceIDs"], request["Capabilities"]) == (count, ids, [["gpu"]])
    (request,) = gpus.requests(wanted, gpus.CDI)
    assert (request["Driver"], request["DeviceIDs"]) == ("cdi", devices)
