"""data, evaluate, predict, visualize and export on one tiny model: what they leave behind, and how they fail."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cvl.formats import boxes, coco
from tests.examples.detectron2_ui_detection.conftest import EXAMPLE
from tests.examples.training import HOSTILE, Alone, Preset, Run, Trained, files, once, read, scripts
from tests.examples.yolo_ui_detection.conftest import write_screens

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.training("detectron2-ui-detection")
CLASSES = ["button", "checkbox", "link"]  # no screen has a link
LOW = {"CONFIDENCE": "0.01"}  # an epoch does not make a model certain of anything


@pytest.fixture
def trained(ml_python: Path, kept: Path, environment: dict[str, str]) -> Trained:
    """One model for all tests: an epoch on 8 screens of 96 px, from scratch."""
    made = Trained(kept / EXAMPLE.name / "train", kept / EXAMPLE.name / "screens")
    if not made.checkpoint.exists():
        config = write_screens(made.data) / "data.yaml"
        config.write_text(config.read_text().rstrip() + "\n  2: link\n")
        run = once([ml_python, EXAMPLE / "train.py"], {**environment, "DATA_DIR": str(made.data)}, made.run)
        assert run.code == 0, run.text
    return made


@pytest.fixture
def masked(ml_python: Path, kept: Path, environment: dict[str, str]) -> Trained:
    """A Mask R-CNN that was never trained, and screens in COCO's form whose boxes have triangles as outlines."""
    place = kept / f"{EXAMPLE.name}-masked"
    made = Trained(place / "run", place / "outlined")
    if not made.checkpoint.exists():
        data = boxes.read(write_screens(place / "plain", train=2, val=2, test=1))
        splits = {name: tuple(triangles(picture) for picture in pictures) for name, pictures in data.splits.items()}
        coco.write(replace(data, splits=splits), made.data)
        done = script(ml_python, environment, "make_mask_rcnn.py", str(made.checkpoint), *data.classes)
        assert done.returncode == 0, done.stderr
    return made


def triangles(picture: boxes.Picture) -> boxes.Picture:
    outlined = (replace(box, outline=((box.x0, box.y0, box.x1, box.y0, box.x0, box.y1),)) for box in picture.boxes)
    return replace(picture, boxes=tuple(outlined))


def script(python: Path, environment: dict[str, str], name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A script of ours that imports the example's modules."""
    command = [python, SCRIPTS / name, EXAMPLE, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_evaluate_writes_what_it_prints(preset: Preset, trained: Trained) -> None:
    before = files(trained.data) + files(trained.run)
    run = preset("evaluate.py", SPLIT="test", NUM_SAMPLES="3", **LOW)
    found = read(run, "evaluation/metrics.json")
    assert f"checkpoint: {trained.checkpoint}" in run.text
    assert "test, 4 screens, 96 px" in run.text  # the size of training, since none is asked for
    assert found["split"] == "test" and list(found["groups"]) == CLASSES
    assert found["groups"]["link"] == {"n": 0} and "without a box in this split: link" in run.text
    printed = re.search(r"^all +16 +(.*)$", run.text, re.MULTILINE)
    columns = ("map50", "map75", "map", "precision", "recall", "f1")
    assert printed and printed[1].split() == [f"{found['metrics'][name]:.3f}" for name in columns]
    at = found["at_confidence"]
    assert f"{at['right']} right, {at['wrong']} wrong, {at['missed']} missed" in run.text
    assert at["right"] + at["missed"] == 16
    about = found["model"]
    assert about["name"] == "faster_rcnn_lite0_FPN" and about["image_size"] == 96 and about["device"] == "cpu"
    assert about["parameters"] > 4_000_000 and about["latency_ms"] > 1 and about["memory_gb"] > 0.1
    assert files(trained.data) + files(trained.run) == before

    # The same run as COCO's files, and drawn.
    results, truth = read(run, "evaluation/predictions.json"), read(run, "evaluation/ground_truth.json")
    assert found["truth"] == hashlib.sha256((run.folder / "evaluation/ground_truth.json").read_bytes()).hexdigest()
    images = {image["id"]: image for image in truth["images"]}
    assert len(images) == 4 and len(truth["annotations"]) == 16 and results
    for result in results:
        x, y, width, height = result["bbox"]
        image = images[result["image_id"]]
        assert 0 <= x <= x + width <= image["width"] + 0.01 and 0 <= y <= y + height <= image["height"] + 0.01
    drawn = sorted(path.name for path in (run.folder / "visualizations").iterdir())
    assert [name[:8] for name in drawn] == ["test_01_", "test_02_", "test_03_"]
    for name in ("confusion_matrix.png", "precision_recall.png"):
        with Image.open(run.folder / "evaluation" / name) as plot:
            assert min(plot.size) > 300


def test_predict_reads_a_folder_and_names_what_it_leaves_out(preset: Preset, trained: Trained, tmp_path: Path) -> None:
    source = tmp_path / "shots"
    (source / "more").mkdir(parents=True)
    screen = trained.data / "images" / "test" / "test_0.png"
    shutil.copy(screen, source / "more")
    with Image.open(screen) as image:
        turned = Image.Exif()
        turned[0x0112] = 6  # displayed on its side
        image.save(source / "turned [1]*.jpg", exif=turned)
    (source / "broken.png").write_text("no picture")
    (source / "cut.png").write_bytes(screen.read_bytes()[:300])
    (source / "notes.txt").write_text("not looked at")
    run = preset("predict.py", SOURCE=str(source), MAX_DETECTIONS="7", **LOW)
    found = read(run, "predictions.json")
    assert found["model"] == "faster_rcnn_lite0_FPN" and found["checkpoint"] == str(trained.checkpoint)
    assert found["classes"] == CLASSES and found["image_size"] == 96
    assert {Path(one["file"]).name: (one["width"], one["height"]) for one in found["images"]} == {
        "test_0.png": (192, 128),
        "turned [1]*.jpg": (128, 192),
    }
    assert sorted(Path(one["file"]).name for one in found["skipped"]) == ["broken.png", "cut.png"]
    assert "broken.png: not a readable picture" in run.text
    for one in found["images"]:
        with Image.open(run.folder / one["drawn"]) as drawn:
            assert drawn.size == (one["width"], one["height"])
        scores = [box["score"] for box in one["boxes"]]
        assert len(scores) == 7 and scores == sorted(scores, reverse=True)
        for box in one["boxes"]:
            x0, y0, x1, y1 = box["box"]
            assert box["class"] in CLASSES and 0 <= x0 <= x1 <= one["width"] and 0 <= y0 <= y1 <= one["height"]
    assert f"14 boxes on 2 pictures, 2 left out, median {found['latency_ms_median']} ms" in run.text


def test_nothing_found_is_said(preset: Preset, trained: Trained) -> None:
    source = trained.data / "images" / "test" / "test_1.png"
    run = preset("predict.py", SOURCE=str(source), CONFIDENCE="1")
    assert read(run, "predictions.json")["images"][0]["boxes"] == []
    assert "test_1.png: nothing found" in run.text and "0 boxes on 1 pictures" in run.text


def test_visualize_shows_the_batch_and_the_worst_first(preset: Preset) -> None:
    run = preset("visualize.py", NUM_SAMPLES="2", BATCH_SIZE="3", AUGMENT="strong", **LOW)
    assert run.code == 0, run.text
    shown = sorted(path.name for path in (run.folder / "visualizations").iterdir())
    assert [name[:7] for name in shown] == ["batch.p", "val_01_", "val_02_"]
    assert "batch.png: 3 pictures" in run.text
    with Image.open(run.folder / "visualizations" / "batch.png") as sheet:
        assert len(sheet.convert("RGB").getcolors(1 << 24) or ()) > 10


@pytest.mark.parametrize("form, suffix", [("onnx", ".onnx"), ("torchscript", ".torchscript")])
def test_export_gives_the_same_boxes(preset: Preset, trained: Trained, form: str, suffix: str) -> None:
    before = files(trained.run)
    run = preset("export.py", EXPORT_FORMAT=form, SPLIT="train", NUM_SAMPLES="3", **LOW)
    report = read(run, "exports/export.json")
    assert [path.name for path in files(run.folder / "exports")] == [f"best_model{suffix}", "export.json"]
    assert report["file"] == f"best_model{suffix}" and report["classes"] == CLASSES
    assert report["input"]["channels"] == "RGB" and report["outputs"] == ["boxes", "classes", "scores"]
    found = report["found"]
    assert found["pictures"] == 3 and found["boxes"] > 100 and found["matched"] > 0.99 and found["mask"] is None
    assert found["box_px"] < 0.01 and found["score"] < 1e-4
    assert f"{found['box_px']:.3g} px, {found['score']:.3g} in score" in run.text
    assert str(trained.data).encode() not in (run.folder / "exports" / report["file"]).read_bytes()
    assert files(trained.run) == before


def test_an_export_that_differs_fails(preset: Preset) -> None:
    run = preset("export.py", str(SCRIPTS / "moved.py"), str(EXAMPLE), NUM_SAMPLES="1", **LOW)
    assert run.code == 1, run.text
    assert "differs from the trained one" in run.text and "a score differs by 0.01 " in run.text
    assert json.loads((run.folder / "exports" / "export.json").read_text())["found"]["score"] >= 0.01


def test_masks(masked: Trained, ml_python: Path, environment: dict[str, str], tmp_path: Path) -> None:
    base = {"DATA_DIR": str(masked.data), "CHECKPOINT": str(masked.run), "MAX_DETECTIONS": "5", "NUM_SAMPLES": "2"}
    cases = [
        (name, {**base, **LOW, **values, "OUTPUT_DIR": str(tmp_path / name)})
        for name, values in (
            ("evaluate.py", {}),
            ("predict.py", {"SOURCE": str(masked.data / "images" / "val")}),
            ("export.py", {}),
            ("visualize.py", {"BATCH_SIZE": "2"}),
        )
    ]
    answers = scripts(ml_python, EXAMPLE, cases, environment, tmp_path)
    runs = [Run(code, said, tmp_path / name) for (name, _), (code, said) in zip(cases, answers, strict=True)]
    evaluated, predicted, exported, visualized = runs

    found = read(evaluated, "evaluation/masks.json")
    means = found["metrics"]
    assert f"masks: mAP50 {means['map50']:.3f}, mAP75 {means['map75']:.3f}, mAP {means['map']:.3f}" in evaluated.text
    assert set(found["groups"]) == {"button", "checkbox"}
    assert {len(one["segmentation"]) for one in read(evaluated, "evaluation/mask_predictions.json")} == {2}
    for one in read(predicted, "predictions.json")["images"]:
        assert len(one["boxes"]) == 5
        assert all(box["mask"]["size"] == [one["height"], one["width"]] for box in one["boxes"])
    report = read(exported, "exports/export.json")
    assert report["outputs"][-1] == "masks" and report["found"]["mask"] < 1e-3 and report["found"]["boxes"] > 10
    assert visualized.code == 0 and "batch.png: 2 pictures, 8 boxes" in visualized.text, visualized.text


def test_parts(ml_python: Path, environment: dict[str, str], masked: Trained) -> None:
    done = script(ml_python, environment, "check_parts.py", str(masked.checkpoint))
    assert done.returncode == 0, done.stderr


def test_data_says_what_is_in_it(preset: Preset, trained: Trained) -> None:
    run = preset("inspect_data.py", IMAGE_SIZE="192", ANCHOR_SIZES="20,38,64,128,256", ASPECT_RATIOS="0.4,1")
    report = read(run, "data.json")
    assert report["problems"] == [] and report["splits"]["train"]["images"] == 8
    counts = {name: report["splits"]["train"]["per_class"][name] for name in CLASSES}
    for name, count in counts.items():
        assert re.search(rf"^{name} +{count} ", run.text, re.MULTILINE)
    assert re.search(r"^this run +20,38,64,128,256 +0.4,1 +100.0%", run.text, re.MULTILINE), run.text
    sheets = sorted(path.name for path in (run.folder / "visualizations").iterdir())
    assert sheets == ["test.png", "train.png", "val.png"]


def test_what_is_refused(alone: Alone, ml_python: Path, trained: Trained, tmp_path: Path) -> None:
    subprocess.run([ml_python, HOSTILE, tmp_path], check=True, capture_output=True)
    (tmp_path / "text.pt").write_text("no checkpoint")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no picture")
    other = write_screens(tmp_path / "other")
    spoilt = write_screens(tmp_path / "spoilt")
    (spoilt / "labels" / "val" / "val_0.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    good = str(trained.checkpoint)
    cases = {
        "no trained model yet": ("evaluate.py", {}),
        "none.pt: there is no such file": ("export.py", {"CHECKPOINT": str(tmp_path / "none.pt")}),
        "text.pt: is no checkpoint": ("evaluate.py", {"CHECKPOINT": str(tmp_path / "text.pt")}),
        "hostile.pt: is no checkpoint": ("visualize.py", {"CHECKPOINT": str(tmp_path / "hostile.pt")}),
        "weights.pt: was not trained by this example": ("export.py", {"CHECKPOINT": str(tmp_path / "weights.pt")}),
        "none of 1 file(s) could be read": ("predict.py", {"SOURCE": str(tmp_path / "broken"), "CHECKPOINT": good}),
        "there is no such file or folder": ("predict.py", {"SOURCE": str(tmp_path / "gone"), "CHECKPOINT": good}),
        "the data has button, checkbox": ("evaluate.py", {"DATA_DIR": str(other), "CHECKPOINT": good}),
        "1 faults, MAX_BAD=0: not fit for training": ("inspect_data.py", {"DATA_DIR": str(spoilt)}),
        "is no list of positive numbers": ("inspect_data.py", {"ASPECT_RATIOS": "1,0"}),
    }
    *answers, (code, said) = alone([*cases.values(), ("visualize.py", {})])
    for (wanted, case), (refusal, hint) in zip(cases.items(), answers, strict=True):
        assert refusal == 2 and wanted in hint and "hint:" in hint, (case, refusal, hint)
    assert not (tmp_path / "ran").exists()

    # Without a model there still is the batch.
    assert code == 0 and "no trained model yet: the batch alone is shown" in said, said
    assert "batch.png" in [path.name for path in (tmp_path / "alone" / "run" / "visualizations").iterdir()]
