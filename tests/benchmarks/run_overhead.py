"""What `cvl run` adds to a trivial job, against the bare `docker run` of the same job, and against Python alone.

    python tests/benchmarks/run_overhead.py [BASE_IMAGE]

BASE_IMAGE holds Python and pip; it is made like that of the tests where none is given.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from cvl import manifest, plan, render  # noqa: E402
from cvl.dockerfile import build_args, instructions  # noqa: E402
from tests import docker_base  # noqa: E402
from tests.benchmarks.timing import medians, table  # noqa: E402

TINY = REPOSITORY / "tests" / "engines" / "tiny"
ROUNDS = 9


def main() -> None:
    dockerfile = (TINY / plan.DOCKERFILE).read_text(encoding="utf-8")
    default = build_args(instructions(dockerfile))["BASE_IMAGE"]
    base = sys.argv[1] if len(sys.argv) > 1 else docker_base.base_image(default)
    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(shutil.copytree(TINY, Path(folder) / "examples" / "tiny"))
        example = manifest.load(tiny / "example.yaml")
        for name, text in render.scripts(example).items():
            (tiny / name).write_text(text, encoding="utf-8")
        image = plan.image(example, {"BASE_IMAGE": base}).tag
        environ = {"PYTHONPATH": str(REPOSITORY), "BASE_IMAGE": base}
        found = medians(commands(tiny, image), rounds=ROUNDS, cwd=tiny.parents[1], environ=environ)
    print(f"medians of {ROUNDS} interleaved rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(table(found, ["docker run", "python train.py"]))


def commands(tiny: Path, image: str) -> dict[str, list[str]]:
    """The first round of `cvl run` builds the image."""
    run = [sys.executable, "-m", "cvl", "run", str(tiny), "train"]
    mounts = [f"--mount=type=bind,src={tiny},dst=/workspace"]
    mounts += [f"--mount=type=bind,src={REPOSITORY},dst=/cvlization_repo,readonly"]
    bare = ["docker", "run", "--rm", "--init", "--workdir=/workspace", "--env=PYTHONPATH=/cvlization_repo", *mounts]
    user = f"--user={os.getuid()}:{os.getgid()}"
    return {
        "cvl run --engine docker": [*run, "--engine", "docker", "--gpus", "none"],
        "docker run": [*bare, user, image, "python", "train.py"],
        "cvl run --engine local": [*run, "--engine", "local", "--accept-versions", "--python", sys.executable],
        "python train.py": [sys.executable, str(tiny / "train.py")],
    }


if __name__ == "__main__":
    main()
