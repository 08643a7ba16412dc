"""evaluate, predict, visualize, export and the two searches on one tiny model: what they leave behind, how they fail.

All of them run in one process, once a session: torch is loaded once.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.examples.training import Alone, Run, Trained, read, scripts
from tests.examples.unet_crack_segmentation.conftest import EXAMPLE, SHORT, write_roads

pytestmark = pytest.mark.training("unet-crack-segmentation")
UNTRAINED = """
import sys, torch
torch.save({"model": {"weight": torch.zeros(2)}, "epoch": 1}, sys.argv[1])
"""
RUNS: dict[str, tuple[str, dict[str, str]]] = {
    "train": ("train.py", {"NUM_EPOCHS": "2"}),
    "evaluate": ("evaluate.py", {"SPLIT": "test", "SAVE_PROBABILITIES": "true", "NUM_SAMPLES": "2"}),
    "evaluate-0.3": (
        "evaluate.py",
        {"THRESHOLD": "0.3", "SAVE_PREDICTIONS": "false", "SAVE_CONFUSION_MATRIX": "false"},
    ),
    "predict": ("predict.py", {"SAVE_PROBABILITIES": "true"}),
    "visualize": ("visualize.py", {"NUM_SAMPLES": "2", "BATCH_SIZE": "3", "AUGMENT": "strong"}),
    "export-onnx": ("export.py", {"NUM_SAMPLES": "2"}),
    "export-torchscript": ("export.py", {"NUM_SAMPLES": "2", "EXPORT_FORMAT": "torchscript"}),
    "lr_range": ("lr_range.py", {"LR_STEPS": "12", "OPTIMIZER": "sgd"}),
    "batch_size": ("batch_size.py", {"MAX_BATCH_SIZE": "4"}),
}


class Place:
    """The runs side by side, so that each finds the model; `data` is what they were made from."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.source = root, root / "roads", root / "source"

    def folder(self, name: str) -> Path:
        return self.root / "outputs" / name

    @property
    def checkpoint(self) -> Path:
        return self.folder("train") / "checkpoints" / "best_model.pt"

    def run(self, name: str) -> Run:
        code, text = json.loads((self.root / "answers.json").read_text())[name]
        return Run(code, text, self.folder(name))


@pytest.fixture
def place(ml_python: Path, kept: Path, environment: dict[str, str]) -> Place:
    """Every preset has run: a model of two epochs on 8 pictures; one of the test pictures has no crack."""
    made = Place(kept / EXAMPLE.name)
    if not made.data.exists():
        write_roads(made.data)
        Image.effect_noise((64, 48), 20).convert("RGB").save(made.data / "test" / "images" / "test-0.png")
        Image.new("L", (64, 48)).save(made.data / "test" / "masks" / "test-0.png")
        write_source(made.source, made.data / "test" / "images" / "test-1.png")
        sized = {"IMAGE_SIZE": SHORT["IMAGE_SIZE"]}  # of those that build a model
        cases = {
            name: (
                script,
                {
                    **values,
                    "OUTPUT_DIR": str(made.folder(name)),
                    **(sized if name in ("train", "lr_range", "batch_size") else {}),
                    **({"SOURCE": str(made.source)} if name == "predict" else {}),
                },
            )
            for name, (script, values) in RUNS.items()
        }
        base = {name: value for name, value in environment.items() if name != "IMAGE_SIZE"}
        own = {"DATA_DIR": str(made.data), "OMP_NUM_THREADS": "1"}
        answers = scripts(ml_python, EXAMPLE, list(cases.values()), base | own, made.root)
        (made.root / "answers.json").write_text(json.dumps(dict(zip(cases, answers, strict=True))))
    return made


@pytest.fixture
def trained(place: Place) -> Trained:
    return Trained(place.folder("train"), place.data)


def write_source(folder: Path, road: Path) -> None:
    """Pictures of many kinds, and files that are none."""
    (folder / "more").mkdir(parents=True)
    with Image.open(road) as image:
        image.save(folder / "a [1]*.png")
        image.save(folder / "more" / "A [1]*.png")
        image.convert("RGBA").save(folder / "clear.png")
        image.convert("L").convert("I;16").point(lambda value: value * 257).save(folder / "deep.png")
        image.resize((5, 5)).save(folder / "tiny.png")
        image.resize((200, 20)).save(folder / "wide.webp")
        turned = Image.Exif()
        turned[0x0112] = 6  # displayed on its side
        image.save(folder / "turned.jpg", exif=turned)
    (folder / "broken.png").write_text("no picture")
    (folder / "cut.png").write_bytes(road.read_bytes()[:300])
    (folder / "notes.txt").write_text("not looked at")


def pixels(file: Path) -> list[int]:
    with Image.open(file) as image:
        return list(image.convert("L").tobytes())


def counted(place: Place) -> Counter[tuple[bool, bool]]:
    """Pixels of test by (predicted, true), from the masks that evaluate wrote."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for number in range(3):
        name = f"test-{number}.png"
        predicted = pixels(place.folder("evaluate") / "evaluation" / "predictions" / name)
        assert set(predicted) <= {0, 255}
        truth = pixels(place.data / "test" / "masks" / name)
        counts.update((p > 0, t > 0) for p, t in zip(predicted, truth, strict=True))
    return counts


def test_evaluate_repeats_what_training_found_on_test(place: Place) -> None:
    run = place.run("evaluate")
    found, proved = read(run, "evaluation/metrics.json"), read(place.run("train"), "evaluation/metrics.json")
    assert f"checkpoint: {place.checkpoint}" in run.text
    assert found["split"] == "test" and found["window"] == [64, 64]
    assert found["metrics"].keys() == proved["metrics"].keys()
    assert found["metrics"] == pytest.approx(proved["metrics"], abs=1e-12)
    assert {name: group["n"] for name, group in found["groups"].items()} == {"with crack": 2, "without crack": 1}
    assert "dice" in found["groups"]["with crack"] and "dice" not in found["groups"]["without crack"]
    assert f"{found['metrics']['dice']:.4f}" in run.text and "1 without a crack: nothing predicted on" in run.text


def test_the_masks_are_what_the_metrics_were_counted_on(place: Place) -> None:
    metrics = read(place.run("evaluate"), "evaluation/metrics.json")["metrics"]
    counts = counted(place)
    found, wrong, missed = counts[True, True], counts[True, False], counts[False, True]
    assert found > 0
    assert metrics["dice"] == pytest.approx(2 * found / (2 * found + wrong + missed), abs=1e-12)
    assert metrics["precision"] == pytest.approx(found / (found + wrong), abs=1e-12)


def test_evaluate_writes_plots_and_the_worst_first(place: Place) -> None:
    run = place.run("evaluate")
    order = read(run, "evaluation/pictures.json")
    assert [one["dice"] for one in order] == sorted(one["dice"] for one in order) and len(order) == 3
    drawn = sorted(path.name for path in (run.folder / "visualizations").iterdir())
    assert drawn == [f"test_{rank:02d}_{Path(one['file']).stem}.png" for rank, one in enumerate(order[:2], 1)]
    curve = read(run, "evaluation/precision_recall.json")
    assert len(curve["threshold"]) == 101 == len(curve["recall"]) and curve["recall"][0] == 1
    assert curve["recall"] == sorted(curve["recall"], reverse=True)
    for name in ("precision_recall.png", "confusion_matrix.png"):
        with Image.open(run.folder / "evaluation" / name) as plot:
            assert min(plot.size) > 300
    assert len(list((run.folder / "evaluation" / "probabilities").iterdir())) == 3


def test_another_threshold_and_less_to_keep(place: Place) -> None:
    run = place.run("evaluate-0.3")
    assert read(run, "evaluation/metrics.json")["metrics"]["threshold"] == 0.3
    assert re.search(r"THRESHOLD=0\.3, the checkpoint has 0\.\d+", run.text)
    made = sorted(path.name for path in (run.folder / "evaluation").iterdir())
    assert made == ["metrics.json", "pictures.json", "precision_recall.json", "precision_recall.png"]


def test_predict_reads_every_kind_of_picture_and_names_the_rest(place: Place) -> None:
    run = place.run("predict")
    found = read(run, "predictions.json")
    assert found["checkpoint"] == str(place.checkpoint)
    assert {Path(one["file"]).name: (one["width"], one["height"]) for one in found["images"]} == {
        "a [1]*.png": (64, 48),
        "A [1]*.png": (64, 48),
        "clear.png": (64, 48),
        "deep.png": (64, 48),
        "tiny.png": (5, 5),
        "turned.jpg": (48, 64),
        "wide.webp": (200, 20),
    }
    assert sorted(Path(one["file"]).name for one in found["skipped"]) == ["broken.png", "cut.png"]
    assert "broken.png: not a readable picture" in run.text
    assert len({one["mask"].lower() for one in found["images"]}) == 7
    for one in found["images"]:
        mask = pixels(run.folder / one["mask"])
        assert set(mask) <= {0, 255} and one["crack_share"] == pytest.approx(sum(mask) / 255 / len(mask))
        assert sum(crack["pixels"] for crack in one["cracks"]) == sum(mask) // 255
        with Image.open(run.folder / one["drawn"]) as drawn:
            assert drawn.size == (one["width"], one["height"])
        for crack in one["cracks"]:
            x0, y0, x1, y1 = crack["box"]
            assert 0 <= x0 < x1 <= one["width"] and 0 <= y0 < y1 <= one["height"]
    by_name = {Path(one["file"]).name: one for one in found["images"]}
    assert by_name["clear.png"]["cracks"] == by_name["a [1]*.png"]["cracks"]
    assert re.search(r"\d of 7 pictures with a crack, 2 left out, median [\d.]+ ms each", run.text)


def test_evaluate_and_predict_see_the_same(place: Place) -> None:
    """One reads through the data set, the other by itself."""
    evaluated = pixels(place.folder("evaluate") / "evaluation" / "probabilities" / "test-1.png")
    predicted = pixels(place.folder("predict") / "probabilities" / "a [1]*.png")
    assert evaluated == predicted and len(set(predicted)) > 5


def test_visualize_shows_the_batch_and_the_worst_first(place: Place) -> None:
    run = place.run("visualize")
    assert run.code == 0, run.text
    shown = sorted(path.name for path in (run.folder / "visualizations").iterdir())
    assert [name[:7] for name in shown] == ["batch.p", "val_01_", "val_02_"]
    assert "batch.png: 3 crops of 64x64" in run.text and "AUGMENT=strong" in run.text
    with Image.open(run.folder / "visualizations" / "batch.png") as sheet:
        assert sheet.width == 3 * 256 + 2 * 8
        assert (255, 59, 48) in {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24) or ()}


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_export_gives_the_same_masks(place: Place, form: str) -> None:
    run = place.run(f"export-{form}")
    report = read(run, "exports/export.json")
    assert sorted(path.name for path in (run.folder / "exports").iterdir()) == [f"best_model.{form}", "export.json"]
    assert report["input"]["shape"] == "Nx3xHxW" and report["multiple"] == 32
    found = report["found"]
    assert found["pictures"] == 2 and found["pixels"] == 2 * 64 * 48
    assert found["probability"] < 1e-5 and found["changed"] == 0
    assert "within tolerance; input Nx3xHxW" in run.text and "Warning" not in run.text


def test_lr_range_ends_in_a_recommendation_or_says_why_not(place: Place) -> None:
    run = place.run("lr_range")
    report = read(run, "lr_range.json")
    assert len(report["rates"]) == len(report["losses"]) <= 12 and report["rates"][0] == 1e-6
    if report["recommended"]:
        assert f"{report['command']}\n" in run.text and "OPTIMIZER=sgd" in report["command"]
    else:
        assert "falls nowhere beyond its noise" in run.text and report["command"] is None
    assert (run.folder / "visualizations" / "lr_range.png").stat().st_size > 0


def test_batch_size_ends_in_a_recommendation(place: Place) -> None:
    run = place.run("batch_size")
    report = read(run, "batch_size.json")
    assert [trial["size"] for trial in report["trials"]] == [2, 4]
    assert f"recommended: BATCH_SIZE={report['recommended']} " in run.text
    assert f"BATCH_SIZE={report['recommended']} cvl run unet-crack-segmentation train" in report["command"]
    assert (run.folder / "visualizations" / "batch_size.png").stat().st_size > 0


def test_nothing_but_a_training_changes_the_run_that_trained(place: Place) -> None:
    names = {path.name for path in place.folder("train").iterdir()}
    assert "predictions.json" not in names and "exports" not in names
    for name in RUNS:
        assert (place.folder(name) / "config.yaml").is_file(), name
    text = (place.folder("evaluate") / "config.yaml").read_text()
    assert f"CHECKPOINT: {place.checkpoint}" in text and "IMAGE_SIZE: 64,64" in text


def test_what_is_refused(place: Place, alone: Alone, ml_python: Path, tmp_path: Path) -> None:
    subprocess.run([ml_python, "-c", UNTRAINED, tmp_path / "weights.pt"], check=True, capture_output=True)
    (tmp_path / "text.pt").write_text("no checkpoint")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no picture")
    spoilt = write_roads(tmp_path / "spoilt")
    (spoilt / "val" / "masks" / "val-0.png").unlink()
    good = str(place.checkpoint)
    cases = {
        "there is no trained model yet": ("evaluate.py", {}),
        "none.pt: there is no such file": ("export.py", {"CHECKPOINT": str(tmp_path / "none.pt")}),
        "text.pt: is no checkpoint": ("evaluate.py", {"CHECKPOINT": str(tmp_path / "text.pt")}),
        "was not trained by this example": ("visualize.py", {"CHECKPOINT": str(tmp_path / "weights.pt")}),
        "no picture in it": ("predict.py", {"SOURCE": str(tmp_path / "empty"), "CHECKPOINT": good}),
        "none of 1 file(s) could be read": ("predict.py", {"SOURCE": str(tmp_path / "broken"), "CHECKPOINT": good}),
        "there is no such file or folder": ("predict.py", {"SOURCE": str(tmp_path / "gone"), "CHECKPOINT": good}),
        "has no mask": ("evaluate.py", {"DATA_DIR": str(spoilt), "CHECKPOINT": good}),
        "IMAGE_SIZE 33": ("predict.py", {"IMAGE_SIZE": "33", "CHECKPOINT": good}),
        "LR_MIN=1 is not below": ("lr_range.py", {"LR_MIN": "1", "LR_MAX": "0.1"}),
    }
    *answers, (code, said) = alone([*cases.values(), ("visualize.py", {"IMAGE_SIZE": "64"})])
    for wanted, (refusal, hint) in zip(cases, answers, strict=True):
        assert refusal == 2 and wanted in hint and "hint:" in hint, (wanted, refusal, hint)

    # Without a model there still is the batch.
    assert code == 0 and "no trained model yet: the batch alone is shown" in said, said
    assert "batch.png" in [path.name for path in (tmp_path / "alone" / "run" / "visualizations").iterdir()]
