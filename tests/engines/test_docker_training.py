"""The real image of an example, and its `smoke` in a container that is not root's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cvl import judge, manifest, plan, settings
from cvl.engines.base import Outcome, supervise
from cvl.engines.docker import DockerEngine
from cvl.rules import Context
from cvl.settings import Given

EXAMPLE = "yolo-ui-detection"
NEEDED_GB = 20
REPOSITORY = Path(__file__).parents[2]

pytestmark = [pytest.mark.docker, pytest.mark.training(EXAMPLE), pytest.mark.timeout(1800)]


@pytest.fixture
def folder(repository: Path) -> Path:
    """A copy of the example beside a copy of the package."""
    ignored = shutil.ignore_patterns("outputs", "__pycache__")
    return shutil.copytree(REPOSITORY / "examples" / EXAMPLE, repository / "examples" / EXAMPLE, ignore=ignored)


def make_plan(folder: Path, home: Path, uid: int, environ: dict[str, str]) -> plan.Plan:
    example = manifest.load(folder / "example.yaml")
    preset = manifest.preset(example, "smoke")
    host = plan.Host(uid=uid, gid=uid, home=home, environ=environ, repository=folder.parents[1])
    values, _ = settings.gather(example, preset, Given(), {})
    chosen = {name: setting for name, setting in values.items() if setting.source != "default"}
    made = plan.make(example, preset, plan.Request(run="smoke", output=folder / "outputs", settings=chosen), host)
    for mount in made.mounts:
        mount.source.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0 and not mount.read_only:
            os.chown(mount.source, uid, uid)
    return made


def test_smoke_trains_as_a_user_of_its_own(
    folder: Path, tmp_path: Path, base_image: str, containers: Callable[[], list[dict[str, Any]]]
) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDED_GB * 1e9:
        pytest.skip(f"the image needs {NEEDED_GB} GB of disk")
    uid = 1234 if os.getuid() == 0 else os.getuid()
    made = make_plan(folder, tmp_path / "home", uid, {"BASE_IMAGE": base_image})
    engine, output = DockerEngine(), list[bytes]()
    engine.prepare(made, print)
    outcome = supervise(lambda: engine.start(made), output.append, timeout=None)
    assert outcome == Outcome(0), b"".join(output).decode(errors="replace")[-3000:]
    written = [path for path in (folder / "outputs").rglob("*") if path.is_file()]
    assert len(written) > 5
    assert {path.stat().st_uid for path in written} == {uid}
    example = manifest.load(folder / "example.yaml")
    context = Context(folder=made.run_folder, device="cpu")
    judgement = judge.judge(example.verification, "smoke", context)
    assert judgement.verdicts
    assert judgement.outcome.ok, judgement.verdicts
