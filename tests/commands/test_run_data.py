"""`cvl run … --data DIR` with data that cannot be trained on: refused before anything starts, nothing written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.examples_factory import MANIFEST, make_example
from tests.formats import folders

REPOSITORY = Path(__file__).parents[2]


def sound(folder: Path) -> Path:
    """A small YOLO data set with nothing wrong in it."""
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for number in range(2):
            colour = (40 * number, 90 if split == "val" else 10, 200)
            Image.new("RGB", (64, 48), colour).save(folder / "images" / split / f"{number}.png")
            (folder / "labels" / split / f"{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [button]\n")
    return folder


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def without_labels(folder: Path) -> None:
    shutil.rmtree(folder / "labels")


def unreadable(folder: Path) -> None:
    (folder / "images" / "train" / "1.png").write_bytes(b"not a picture")


def class_out_of_range(folder: Path) -> None:
    (folder / "labels" / "train" / "1.txt").write_text("3 0.5 0.5 0.4 0.4\n")


def box_outside(folder: Path) -> None:
    (folder / "labels" / "val" / "0.txt").write_text("0 0.9 0.5 0.4 0.4\n")


def torn_line(folder: Path) -> None:
    (folder / "labels" / "val" / "0.txt").write_text("0 0.9 0.5\n")


def shared_picture(folder: Path) -> None:
    shutil.copy(folder / "images" / "train" / "0.png", folder / "images" / "val" / "0.png")


def run(
    data: Path,
    tmp_path: Path,
    preset: str = "train",
    *,
    example: str = "yolo-ui-detection",
    more: tuple[str, ...] = ("--dry-run",),
) -> subprocess.CompletedProcess[str]:
    words = ["run", example, preset, "--data", str(data), "--engine", "local"]
    command = [sys.executable, "-m", "cvl", *words, *more, "--output", str(tmp_path / "out")]
    return subprocess.run(command, cwd=REPOSITORY, env={**os.environ}, capture_output=True, text=True, timeout=240)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "does not exist"),
        (empty, "data"),
        (without_labels, "label"),
        (unreadable, "1.png"),
        (class_out_of_range, "1.txt"),
        (box_outside, "0.txt"),
        (torn_line, "0.txt"),
        (shared_picture, "0.png"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_data_is_refused_by_name(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    data = sound(tmp_path / "data")
    spoil(data)
    before = contents(data)
    done = run(data, tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr and "hint:" in done.stderr and "Traceback" not in done.stderr
    shows_all = f"`cvl run yolo-ui-detection data --data {data}` shows all"
    assert (shows_all in done.stderr) is ("problem(s) in the data set" in done.stderr)
    assert contents(data) == before
    assert not (tmp_path / "out").exists()


def test_sound_data_is_taken(tmp_path: Path) -> None:
    done = run(sound(tmp_path / "data"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"DATA_DIR={tmp_path / 'data'}" in done.stdout


@pytest.fixture
def of_masks(tmp_path: Path) -> str:
    """An example that takes folders of masks."""
    text = MANIFEST.format(name="toy-masks").replace("environment:", "data: {formats: [masks]}\nenvironment:")
    text = text.replace("parameters:\n", "parameters:\n  DATA_DIR: {type: path, description: Own data}\n")
    return str(make_example(tmp_path / "catalogue", "toy-masks", {"example.yaml": text}))


def test_masks_are_checked_as_well(tmp_path: Path, of_masks: str) -> None:
    data = folders.masks(tmp_path / "data")
    folders.mask(data / "train/masks/train1.png")
    done = run(data, tmp_path, example=of_masks)
    assert done.returncode == 0, done.stderr
    assert "data: train: 1 of 3 masks are empty: pictures without foreground" in done.stderr
    folders.mask(data / "train/masks/train1.png", 1, 2, 3)
    done = run(data, tmp_path, example=of_masks)
    assert done.returncode == 2 and "train1.png: 4 value(s) (0, 1, 2, …)" in done.stderr, done.stderr


@pytest.mark.training("yolo-ui-detection")
def test_the_preset_that_inspects_shows_every_fault_and_ends_with_2(ml_python: Path, tmp_path: Path) -> None:
    data = sound(tmp_path / "data")
    (data / "labels" / "train" / "1.txt").write_text("3 0.5 0.5 0.4 0.4\n" * 12)
    box_outside(data)
    done = run(data, tmp_path, "data", more=("--python", str(ml_python), "--accept-versions"))
    assert done.returncode == 2, done.stdout + done.stderr
    origin, table, faults = (done.stdout.index(words) for words in (f"{data}\n", "train: 2 pictures", "\nfaults:\n"))
    assert origin < table < faults
    listed = [line for line in done.stdout[faults:].splitlines() if line.startswith("  ")]
    assert len(listed) == 13 and sum("1.txt" in line for line in listed) == 12, done.stdout
    assert (done.stdout + done.stderr).count("13 faults, MAX_BAD=0: not fit for training") == 1
    assert (tmp_path / "out" / "latest" / "visualizations" / "train.png").is_file()
    done = run(data, tmp_path, "data", more=("--python", str(ml_python), "--accept-versions", "-e", "MAX_BAD=13"))
    assert done.returncode == 0 and "13 faults, MAX_BAD=13: fit for training" in done.stdout, done.stderr
