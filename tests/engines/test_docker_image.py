"""What is said where the image cannot be built."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cvl.engines import docker_image as image


def test_without_the_command_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    plan: Any = SimpleNamespace(folder=tmp_path, image=SimpleNamespace(tag="cvl/x:1", args={}))
    assert "no `docker` command" in image.unbuildable(None, plan)  # type: ignore[arg-type]


@pytest.mark.docker
def test_a_base_that_no_registry_has_is_named(tmp_path: Path) -> None:
    from cvl.engines.docker_connection import connect

    (tmp_path / "Dockerfile").write_text("FROM localhost:9/no/such:image\n")
    plan: Any = SimpleNamespace(folder=tmp_path, image=SimpleNamespace(tag="cvl/x:1", args={}))
    reason = image.unbuildable(connect(), plan)
    assert "the base image localhost:9/no/such:image is neither here nor to be had" in reason
