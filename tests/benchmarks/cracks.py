"""What unet-crack-segmentation reaches on real roads, with and without pre-training on generated cracks.

    CVL_CFD_DIR=cfd python tests/benchmarks/cracks.py FOLDER [arguments of cvl run, such as --python PYTHON]

CVL_CFD_DIR holds `images` and `masks` of CrackForest (59 pictures, 480x320): 40 to train on, 9 to validate, 10 to test,
drawn once by a fixed seed. Every row is a run of `cvl run`: its threshold was chosen on val, its figures are of test.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "unet-crack-segmentation"
SIZES = {"train": 40, "val": 9, "test": 10}
COMMON = {"IMAGE_SIZE": 256, "VAL_EVERY": 5}


def main() -> None:
    folder, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    data = divide(Path(os.environ["CVL_CFD_DIR"]), folder / "cfd")
    run("generate", folder / "generated", words, NUM_PICTURES="300,30,30", SEED=1)
    generated = folder / "generated" / "latest"
    run("train", folder / "pretrain", words, DATA_DIR=generated, IMAGE_SIZE=160, NUM_EPOCHS=8, VAL_EVERY=4)
    best = folder / "pretrain" / "latest" / "checkpoints" / "best_model.pt"
    starts = {"generated cracks": (best, 40), "ImageNet": ("imagenet", 40), "nothing": ("none", 80)}
    evaluate(folder / "unseen", words, data, best)
    for name, (weights, epochs) in starts.items():
        place = folder / name.replace(" ", "-")
        run("train", place, words, DATA_DIR=data, WEIGHTS=weights, NUM_EPOCHS=epochs, **COMMON)
    print("| start | epochs | F1 at 2 px | foreground IoU | Dice | threshold |\n| --- | --- | --- | --- | --- | --- |")
    print(row("generated cracks, no real road", 0, folder / "unseen"))
    for name, (_, epochs) in starts.items():
        print(row(name, epochs, folder / name.replace(" ", "-")))


def divide(source: Path, target: Path) -> Path:
    """Links to the pictures and masks of each split."""
    images = sorted((source / "images").iterdir())
    masks = {path.stem: path for path in (source / "masks").iterdir()}
    random.Random(0).shuffle(images)
    rest = iter(images)
    for split, size in SIZES.items():
        for image in [next(rest) for _ in range(size)]:
            for kind, path in (("images", image), ("masks", masks[image.stem])):
                link = target / split / kind / path.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(path.resolve())
    return target


def evaluate(output: Path, words: list[str], data: Path, checkpoint: Path) -> None:
    run("evaluate", output, words, DATA_DIR=data, SPLIT="test", CHECKPOINT=checkpoint)


def run(preset: str, output: Path, words: list[str], **values: object) -> None:
    """`cvl run`, once: an ended run is not repeated."""
    if (output / "latest" / "run.json").exists():
        return
    settings = [word for name, value in values.items() for word in ("-e", f"{name}={value}")]
    command = [sys.executable, "-m", "cvl", "run", str(EXAMPLE), preset, "--engine", "local", "--output", str(output)]
    subprocess.run([*command, *settings, *words], check=True, cwd=REPOSITORY)


def row(name: str, epochs: int, output: Path) -> str:
    found = json.loads((output / "latest" / "evaluation" / "metrics.json").read_text())["metrics"]
    cells = [f"{found[key]:.3f}" for key in ("f1_2px", "iou", "dice")]
    return f"| {name} | {epochs} | {' | '.join(cells)} | {found['threshold']:g} |"


if __name__ == "__main__":
    main()
