"""Which checkpoint a run goes on from and what comes along; the library is stood in for, so no torch is needed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from cvl.errors import DataError, UsageError
from tests.examples.yolo_ui_detection.conftest import CLASSES, EXAMPLE


@pytest.fixture
def resume(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """examples/yolo-ui-detection/resume.py; a checkpoint is a JSON file here."""

    def load_checkpoint(file: Path) -> tuple[SimpleNamespace, dict[str, int]]:
        content = json.loads(file.read_text())
        model = SimpleNamespace(yaml={"yaml_file": "yolo11n.yaml"}, names=dict(enumerate(CLASSES)))
        return model, content

    library = ModuleType("library")
    library.load_checkpoint = load_checkpoint  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "library", library)
    spec = importlib.util.spec_from_file_location("yolo_ui_resume", EXAMPLE / "resume.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module


def a_run(folder: Path, epoch: int = 2) -> Path:
    """A run folder whose latest checkpoint has done `epoch` + 1 epochs (the library counts from 0)."""
    for part in ("checkpoints", "logs", "native"):
        (folder / part).mkdir(parents=True)
    (folder / "checkpoints/latest_model.pt").write_text(json.dumps({"epoch": epoch}))
    (folder / "checkpoints/best_model.pt").write_text(json.dumps({"epoch": -1}))
    (folder / "metrics.jsonl").write_text('{"step": 1, "epoch": 1}\n')
    (folder / "config.yaml").write_text("WEIGHTS: none  # default, asked for auto\n")
    (folder / "native/results.csv").write_text("epoch,time\n1,1\n2,2\n3,3\n4,4\n")
    return folder


@pytest.mark.parametrize("named", ["", "checkpoints/latest_model.pt"])
def test_a_run_folder_or_its_checkpoint(resume: ModuleType, tmp_path: Path, named: str) -> None:
    folder = a_run(tmp_path / "run")
    start = resume.find(str(folder / named), 5)
    assert (start.done, start.model, start.classes, start.folder) == (3, "yolo11n", CLASSES, folder)
    assert start.weights == "none"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such checkpoint"),
        ('{"epoch": 4}', "5 epochs are done"),
        ('{"epoch": -1}', "no optimizer state"),
        ("not a checkpoint", "is no YOLO checkpoint"),
    ],
)
def test_what_cannot_go_on_says_why(resume: ModuleType, tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "x.pt"
    if content:
        file.write_text(content)
    with pytest.raises(UsageError, match=reason):
        resume.find(str(file), 5)


def test_other_classes_are_refused_before_the_library_meets_them(resume: ModuleType, tmp_path: Path) -> None:
    start = resume.find(str(a_run(tmp_path / "run")), 5)
    start.check_classes(list(CLASSES))
    with pytest.raises(DataError, match="was trained on button, checkbox; the data has button, link"):
        start.check_classes(["button", "link"])


def test_in_another_folder_log_and_best_model_come_along(resume: ModuleType, tmp_path: Path) -> None:
    source = a_run(tmp_path / "run")
    resume.bring_over(resume.find(str(source), 5), tmp_path / "other")
    assert (tmp_path / "other/metrics.jsonl").read_text() == (source / "metrics.jsonl").read_text()
    assert (tmp_path / "other/checkpoints/best_model.pt").exists()


def test_in_its_own_folder_the_library_s_rows_of_a_lost_epoch_go(resume: ModuleType, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    resume.bring_over(resume.find(str(folder), 5), folder)
    assert (folder / "native/results.csv").read_text() == "epoch,time\n1,1\n2,2\n3,3\n"


def test_a_checkpoint_on_its_own_has_no_run_folder(resume: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "epoch_003.pt"
    file.write_text('{"epoch": 2}')
    start = resume.find(str(file), 5)
    assert start.folder is None and start.weights == "auto"
