"""The rule on files: there, whole, and the best checkpoint as good as the log says."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from pathlib import Path

import pytest

from cvl.rules import Context, Status, Verdict
from tests.rules.made import verdict, verdicts

BEST = "- artifact: checkpoints/best_model.*"


def archive(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"weights" * 100)
    return path


def tensors(path: Path, *, missing: int = 0) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}, "__metadata__": {}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"12345678"[: 8 - missing])


def judged(folder: Path, rule: str = BEST) -> Verdict:
    return verdict(rule, context=Context(folder))


def test_a_whole_checkpoint_passes(tmp_path: Path) -> None:
    archive(tmp_path / "checkpoints/best_model.pt")
    assert judged(tmp_path).status is Status.PASS


def test_a_missing_one_fails_with_its_name(tmp_path: Path) -> None:
    found = judged(tmp_path)
    assert (found.status, found.found, found.where.file) == (Status.FAIL, "missing", "checkpoints/best_model.*")


@pytest.mark.parametrize("name", ["best_model.pt", "best_model.onnx", "best_model.json", "best_model.safetensors"])
def test_an_empty_one_fails(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).touch()
    assert judged(tmp_path).found == f"checkpoints/{name}: empty"


def test_a_cut_archive_fails_wherever_it_is_cut(tmp_path: Path) -> None:
    path = archive(tmp_path / "checkpoints/best_model.pt")
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        assert judged(tmp_path).status is Status.FAIL, length


def test_a_changed_byte_in_the_weights_fails(tmp_path: Path) -> None:
    path = archive(tmp_path / "checkpoints/best_model.zip")
    path.write_bytes(path.read_bytes().replace(b"weightsw", b"weightsW", 1))
    assert "broken archive" in judged(tmp_path).found


def test_one_broken_file_of_several_fails(tmp_path: Path) -> None:
    archive(tmp_path / "checkpoints/best_model.pt")
    (tmp_path / "checkpoints/best_model.pth").write_bytes(b"PK\x03\x04 cut off")
    assert judged(tmp_path).where.file == "checkpoints/best_model.pth"


def test_old_pickles_and_onnx_are_only_looked_at(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/best_model.pth").write_bytes(b"\x80\x02}q\x00.")
    (tmp_path / "checkpoints/best_model.onnx").write_bytes(b"\x08\x07")
    assert judged(tmp_path).found == "2 files"


@pytest.mark.parametrize(("missing", "status"), [(0, Status.PASS), (1, Status.FAIL)])
def test_safetensors_end_where_their_header_says(tmp_path: Path, missing: int, status: Status) -> None:
    tensors(tmp_path / "adapter/weights.safetensors", missing=missing)
    assert judged(tmp_path, "- artifact: adapter").status is status


@pytest.mark.parametrize("content", [b"\x01", b"\xff" * 20, b"\x02" + bytes(7) + b"[]", b"\x02" + bytes(7) + b"{]"])
def test_a_broken_header_is_no_exception(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    assert judged(tmp_path, "- artifact: w.safetensors").found == "w.safetensors: broken header"


def test_an_empty_folder_is_missing(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    assert judged(tmp_path, "- artifact: adapter").found == "missing"


RELOAD = "- artifact: {path: best.pt, reload: score, tol: 0.01}"


@pytest.mark.parametrize(
    ("again", "status"),
    [(0.60, Status.PASS), (0.61, Status.PASS), (0.58, Status.FAIL), (math.nan, Status.FAIL)],
)
def test_the_reloaded_checkpoint_is_as_good_as_the_logged_best(tmp_path: Path, again: float, status: Status) -> None:
    archive(tmp_path / "best.pt")
    first, second = verdicts(RELOAD, context=Context(tmp_path), val__score=[0.2, 0.6, 0.5], reload__score=[again])
    assert first.status is Status.PASS
    assert (second.status, second.metric) == (status, "score")


@pytest.mark.parametrize(
    ("by", "again", "status"),
    [
        ("iou", 0.5, Status.PASS),  # the third epoch was kept
        ("iou", 0.6, Status.FAIL),
        ("score", 0.6, Status.PASS),
        ("total_loss", 0.2, Status.PASS),  # the lowest
    ],
)
def test_the_reloaded_metric_is_that_of_the_epoch_that_was_kept(
    tmp_path: Path, by: str, again: float, status: Status
) -> None:
    archive(tmp_path / "best.pt")
    curves = {"val__score": [0.2, 0.6, 0.5], "val__iou": [0.1, 0.2, 0.3], "train__loss": [0.1, 0.3, 0.2]}
    context = Context(tmp_path, parameters={"EARLY_STOP_METRIC": by.replace("total_loss", "total")})
    rule = "- artifact: {path: best.pt, reload: score, best_by: EARLY_STOP_METRIC, tol: 0.01}"
    _, found = verdicts(rule, context=context, reload__score=[again], **curves)
    assert found.status is status
    if by == "iou":
        assert found.wanted == "reload/score = score of best iou ± 0.01"


def test_best_by_that_names_no_metric_fails(tmp_path: Path) -> None:
    archive(tmp_path / "best.pt")
    context = Context(tmp_path, parameters={"EARLY_STOP_METRIC": "speed"})
    rule = "- artifact: {path: best.pt, reload: score, best_by: EARLY_STOP_METRIC}"
    _, found = verdicts(rule, context=context, val__score=[0.6], reload__score=[0.6])
    assert (found.status, found.reason) == (Status.FAIL, "best_by: EARLY_STOP_METRIC names no metric of the manifest")


def test_best_by_a_parameter_that_is_not_known_is_not_judged(tmp_path: Path) -> None:
    archive(tmp_path / "best.pt")
    rule = "- artifact: {path: best.pt, reload: score, best_by: EARLY_STOP_METRIC}"
    _, found = verdicts(rule, context=Context(tmp_path), val__score=[0.6], reload__score=[0.1])
    assert found.status is Status.NOT_RUN
    assert found.reason == "the best goes by EARLY_STOP_METRIC, which is not known here"


def test_a_reload_that_was_never_logged_fails(tmp_path: Path) -> None:
    archive(tmp_path / "best.pt")
    _, found = verdicts(RELOAD, context=Context(tmp_path), val__score=[0.6])
    assert (found.status, found.found) == (Status.FAIL, "missing")


def test_reload_is_not_asked_of_a_broken_file(tmp_path: Path) -> None:
    found = verdicts(RELOAD, context=Context(tmp_path), val__score=[0.6], reload__score=[0.6])
    assert [one.status for one in found] == [Status.FAIL]
