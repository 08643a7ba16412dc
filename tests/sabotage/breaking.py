"""Runs an example's train.py with a break put in front of it; the data and the example's files stay as they are."""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

Breaks = Mapping[str, Callable[[], None]]


def install(breaks: Path, name: str, folder: Path) -> None:
    """Puts the break `name` of the module `breaks` in front of the train.py of `folder`, a copy of the example."""
    (folder / "train.py").rename(folder / "healthy_train.py")
    shutil.copyfile(breaks, folder / "sabotage.py")
    shutil.copyfile(__file__, folder / "breaking.py")
    (folder / "train.py").write_text(
        "import breaking\nimport sabotage\n\n"
        "if __name__ == '__main__':\n"
        f"    breaking.run(sabotage.BREAKS, {name!r}, __file__, 'healthy_train.py')\n",
        encoding="utf-8",
    )


def run(breaks: Breaks, name: str, beside: str, script: str = "train.py") -> None:
    """Applies the break and runs the script that lies beside the file `beside`."""
    folder = Path(beside).resolve().parent
    sys.path.insert(0, str(folder))
    breaks[name]()
    runpy.run_path(str(folder / script), run_name="__main__")


def main(breaks: Breaks) -> None:
    """BREAK EXAMPLE_FOLDER [arguments of train.py]"""
    name, example, *sys.argv[1:] = sys.argv[1:]
    run(breaks, name, str(Path(example) / "train.py"))


def randomised(checkpoint: Path) -> Path:
    """The checkpoint of a loop of our own, its weights overwritten by noise."""
    import torch

    state = torch.load(checkpoint, weights_only=True)
    state["model"] = {
        name: torch.randn_like(weight) * 0.05 if weight.is_floating_point() else weight
        for name, weight in state["model"].items()
    }
    torch.save(state, checkpoint)
    return checkpoint
