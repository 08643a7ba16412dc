"""data, evaluate, predict, visualize and export on one tiny model: what they leave behind, and how they fail."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from cvl.formats import boxes
from tests.examples.training import HOSTILE, Alone, Preset, Trained, files, once, read
from tests.examples.yolo_ui_detection.conftest import EXAMPLE, write_screens

pytestmark = pytest.mark.training("yolo-ui-detection")
CLASSES = ["button", "checkbox", "link"]  # no screen has a link
LOW = {"CONFIDENCE": "0.001"}  # an epoch does not make a model certain of anything
# The exported model is run with every box moved by one pixel.
MOVED = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import agreement
true = agreement.onnx_runtime
def moved(file):
    run = true(file)
    def shifted(batch):
        raw = run(batch).copy()
        raw[:, 0] += 1
        return raw
    return shifted
agreement.RUNTIMES["onnx"] = moved
path = sys.argv[1] + "/export.py"
sys.argv[1:] = []
runpy.run_path(path, run_name="__main__")
"""


@pytest.fixture
def trained(ml_python: Path, kept: Path, environment: dict[str, str]) -> Trained:
    """One model for all tests: yolov8n from scratch, an epoch on 8 screens of 64 px."""
    made = Trained(kept / EXAMPLE.name / "train", kept / EXAMPLE.name / "screens")
    if not made.checkpoint.exists():
        config = write_screens(made.data) / "data.yaml"
        config.write_text(config.read_text().rstrip() + "\n  2: link\n")
        run = once([ml_python, EXAMPLE / "train.py"], {**environment, "DATA_DIR": str(made.data)}, made.run)
        assert run.code == 0, run.text
    return made


def test_evaluate_writes_what_it_prints(preset: Preset, trained: Trained) -> None:
    before = files(trained.data) + files(trained.run)
    run = preset("evaluate.py", SPLIT="test", **LOW)
    found = read(run, "evaluation/metrics.json")
    assert f"checkpoint: {trained.checkpoint}" in run.text
    assert "test, 4 screens, 64 px" in run.text  # the size of training, since none is asked for
    assert found["split"] == "test" and list(found["groups"]) == CLASSES
    names = {"map", "map50", "map75", "precision", "recall", "f1"}
    assert found["metrics"].keys() == names and all(0 <= value <= 1 for value in found["metrics"].values())
    assert all(found["groups"][name].keys() == {*names, "n"} for name in CLASSES[:2])
    assert found["groups"]["link"] == {"n": 0} and "without a box in this split: link" in run.text
    assert sum(group["n"] for group in found["groups"].values()) == 16
    printed = re.search(r"^all +16 +(.*)$", run.text, re.MULTILINE)
    columns = ("map50", "map75", "map", "precision", "recall", "f1")
    assert printed and printed[1].split() == [f"{found['metrics'][name]:.3f}" for name in columns]
    model = found["model"]
    assert (model["name"], model["image_size"], model["device"]) == ("yolov8n", 64, "cpu")
    assert 3_000_000 < model["parameters"] < 3_100_000 and 0 < model["latency_ms"] < 5000
    assert 0.2 < model["memory_gb"] < 20 and model["hardware"]
    at = found["at_confidence"]
    assert f"{at['right']} right, {at['wrong']} wrong, {at['missed']} missed" in run.text
    assert at["right"] + at["missed"] == 16
    assert files(trained.data) + files(trained.run) == before


def test_evaluate_and_the_end_of_training_are_one_judgement(preset: Preset, trained: Trained) -> None:
    """The same split, the same model, the same evaluator: what `cvl runs compare` needs."""
    run = preset("evaluate.py", SPLIT="test")
    found = read(run, "evaluation/metrics.json")
    at_the_end = json.loads((trained.run / "evaluation/metrics.json").read_text())
    assert found["truth"] == at_the_end["truth"]
    assert found["metrics"] == pytest.approx(at_the_end["metrics"], abs=1e-6)
    assert found["model"]["parameters"] == at_the_end["model"]["parameters"]
    truth = (run.folder / "evaluation" / "ground_truth.json").read_bytes()
    assert hashlib.sha256(truth).hexdigest() == found["truth"]
    names = [image["file_name"] for image in json.loads(truth)["images"]]
    assert names == [f"test_{number}.png" for number in range(4)]  # of the user's files, not of our links


def test_evaluate_writes_coco_results_that_fit_its_ground_truth(preset: Preset, trained: Trained) -> None:
    run = preset("evaluate.py", SPLIT="test", NUM_SAMPLES="3", **LOW)
    results, truth = read(run, "evaluation/predictions.json"), read(run, "evaluation/ground_truth.json")
    images = {image["id"]: image for image in truth["images"]}
    assert len(images) == 4 and len(truth["annotations"]) == 16
    assert {kind["id"]: kind["name"] for kind in truth["categories"]} == dict(enumerate(CLASSES, 1))
    assert results and all(result["category_id"] in (1, 2, 3) and 0 < result["score"] <= 1 for result in results)
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
    run = preset("predict.py", SOURCE=str(source), **LOW)
    found = read(run, "predictions.json")
    assert found["model"] == "yolov8n" and found["checkpoint"] == str(trained.checkpoint)
    assert found["classes"] == CLASSES and found["image_size"] == 64
    assert {Path(one["file"]).name: (one["width"], one["height"]) for one in found["images"]} == {
        "test_0.png": (192, 128),
        "turned [1]*.jpg": (128, 192),
    }
    assert sorted(Path(one["file"]).name for one in found["skipped"]) == ["broken.png", "cut.png"]
    assert "broken.png: not a readable picture" in run.text
    assert sum(len(one["boxes"]) for one in found["images"]) > 0
    for one in found["images"]:
        with Image.open(run.folder / one["drawn"]) as drawn:
            assert drawn.size == (one["width"], one["height"])
        for box in one["boxes"]:
            x0, y0, x1, y1 = box["box"]
            assert box["class"] in CLASSES and 0 <= x0 <= x1 <= one["width"] and 0 <= y0 <= y1 <= one["height"]
    total = sum(len(one["boxes"]) for one in found["images"])
    assert f"{total} boxes on 2 pictures, 2 left out, median {found['latency_ms_median']} ms" in run.text


def test_predict_stops_cleanly(
    ml_python: Path, presets_environment: dict[str, str], trained: Trained, tmp_path: Path
) -> None:
    source, folder = tmp_path / "many", tmp_path / "run"
    source.mkdir()
    for number in range(400):
        shutil.copy(trained.data / "images" / "test" / "test_0.png", source / f"{number}.png")
    env = {**presets_environment, "SOURCE": str(source), "CHECKPOINT": str(trained.run), "OUTPUT_DIR": str(folder)}
    command = [ml_python, "-u", EXAMPLE / "predict.py"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said and "Traceback" not in said
    assert not (folder / "predictions.json").exists()


def test_visualize_shows_the_batch_and_the_worst_first(preset: Preset) -> None:
    run = preset("visualize.py", NUM_SAMPLES="2", BATCH_SIZE="3", AUGMENT="light", **LOW)
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
    assert report["input"]["shape"] == [1, 3, 64, 64] and (report["opset"] or 0) >= (17 if form == "onnx" else 0)
    found = report["found"]
    assert found["pictures"] == 3 and found["boxes"] > 0 and found["matched"] == 1
    assert found["box_px"] < 0.01 and found["score"] < 1e-4
    assert f"{found['box_px']:.3g} px and {found['score']:.3g} in score" in run.text
    assert str(trained.data).encode() not in (run.folder / "exports" / report["file"]).read_bytes()
    assert files(trained.run) == before


def test_an_export_that_differs_fails(preset: Preset) -> None:
    run = preset("export.py", "-c", MOVED, str(EXAMPLE), NUM_SAMPLES="1", **LOW)
    assert run.code == 1, run.text
    assert "differs from the trained one" in run.text and "a box differs by 1 px" in run.text
    assert json.loads((run.folder / "exports" / "export.json").read_text())["found"]["box_px"] >= 1


def test_data_says_what_is_in_it(preset: Preset, trained: Trained) -> None:
    run = preset("inspect_data.py")
    report = read(run, "data.json")
    assert report["problems"] == [] and report["splits"]["train"]["images"] == 8
    counts = {name: report["splits"]["train"]["per_class"][name] for name in CLASSES}
    for name, count in counts.items():
        assert re.search(rf"^{name} +{count} ", run.text, re.MULTILINE)
    sheets = sorted(path.name for path in (run.folder / "visualizations").iterdir())
    assert sheets == ["test.png", "train.png", "val.png"]
    assert boxes.read(trained.data).classes == tuple(CLASSES)


def test_what_is_refused(alone: Alone, ml_python: Path, trained: Trained, tmp_path: Path) -> None:
    subprocess.run([ml_python, HOSTILE, tmp_path], check=True, capture_output=True)
    (tmp_path / "text.pt").write_text("no checkpoint")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no picture")
    other = write_screens(tmp_path / "other")
    spoilt = write_screens(tmp_path / "spoilt")
    (spoilt / "labels" / "val" / "val_0.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    good = str(trained.checkpoint)
    cases = {
        "no trained model yet": ("evaluate.py", {}),
        "none.pt: there is no such file": ("export.py", {"CHECKPOINT": str(tmp_path / "none.pt")}),
        "text.pt: is no PyTorch checkpoint": ("evaluate.py", {"CHECKPOINT": str(tmp_path / "text.pt")}),
        "hostile.pt: is no YOLO checkpoint": ("visualize.py", {"CHECKPOINT": str(tmp_path / "hostile.pt")}),
        "weights.pt: is no YOLO checkpoint": ("export.py", {"CHECKPOINT": str(tmp_path / "weights.pt")}),
        "no picture in it": ("predict.py", {"SOURCE": str(tmp_path / "empty"), "CHECKPOINT": good}),
        "none of 1 file(s) could be read": ("predict.py", {"SOURCE": str(tmp_path / "broken"), "CHECKPOINT": good}),
        "there is no such file or folder": ("predict.py", {"SOURCE": str(tmp_path / "gone"), "CHECKPOINT": good}),
        "the data has button, checkbox": ("evaluate.py", {"DATA_DIR": str(other), "CHECKPOINT": good}),
        "1 faults, MAX_BAD=0: not fit for training": ("inspect_data.py", {"DATA_DIR": str(spoilt)}),
    }
    for (wanted, case), (code, said) in zip(cases.items(), alone(list(cases.values())), strict=True):
        assert code == 2 and wanted in said and "hint:" in said, (case, code, said)
    assert not (tmp_path / "ran").exists()


def test_without_a_model_there_still_is_the_batch(alone: Alone, tmp_path: Path) -> None:
    ((code, said),) = alone([("visualize.py", {})])
    assert code == 0 and "no trained model yet: the batch alone is shown" in said, said
    assert [path.name for path in (tmp_path / "alone" / "run" / "visualizations").iterdir()] == ["batch.png"]
