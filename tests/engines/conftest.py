"""A small example in a repository of its own, and the image it starts from."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cvl import dockerfile, manifest, plan, render
from tests import docker_base

REPOSITORY = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny"


@pytest.fixture(scope="session")
def base_image() -> str:
    found = dockerfile.instructions((TINY / plan.DOCKERFILE).read_text(encoding="utf-8"))
    return docker_base.base_image(dockerfile.build_args(found)["BASE_IMAGE"])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that holds the package, and the example `tiny` with its rendered scripts."""
    root = tmp_path / "repository"
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "cvl", root / "cvl", ignore=caches)
    shutil.copytree(REPOSITORY / "schemas", root / "schemas")
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    example = shutil.copytree(TINY, root / "examples" / "tiny", ignore=caches)
    for name, text in render.scripts(manifest.load(example / "example.yaml")).items():
        (example / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def tiny(repository: Path) -> Path:
    return repository / "examples" / "tiny"


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What Docker knows of the containers of this test; those that are left over are removed, and fail the test."""

    def inspect() -> list[dict[str, Any]]:
        every = _docker("ps", "--all", "--quiet", "--no-trunc").split()
        found = [json.loads(text)[0] for name in every if (text := _docker("inspect", name))]
        return [one for one in found if any(m["Source"].startswith(str(tmp_path)) for m in one["Mounts"])]

    yield inspect
    deadline = time.monotonic() + 5  # the client may return a moment before the engine has removed the container
    while (left := inspect()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for one in left:
        _docker("rm", "--force", one["Id"])
    assert not left


def _docker(*words: str) -> str:
    """A container may be gone between one question and the next: then the answer is empty."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""
