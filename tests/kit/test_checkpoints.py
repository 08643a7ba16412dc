"""Checkpoints on a real disk: whole or not at all, readable without running code, found again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cvl.errors import UsageError
from cvl.kit import checkpoints

REPOSITORY = Path(__file__).resolve().parents[2]


def a_run(folder: Path, *, best: str = "best", seconds: int = 0) -> Path:
    """A run folder; its best model was written `seconds` after the epoch."""
    for name, text in (
        ("metrics.jsonl", '{"step": 1, "epoch": 1}\n'),
        ("logs/epoch_metrics.csv", "epoch\n1\n"),
        ("checkpoints/latest_model.pt", "latest"),
        ("checkpoints/best_model.pt", best),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    os.utime(folder / "checkpoints/best_model.pt", (seconds, seconds))
    return folder


def test_resume_takes_a_run_folder_or_a_file(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    latest = folder / "checkpoints/latest_model.pt"
    assert checkpoints.resume_from(str(folder)) == checkpoints.resume_from(str(latest)) == latest
    assert checkpoints.run_of(latest) == folder
    lonely = tmp_path / "elsewhere" / "model.pt"
    lonely.parent.mkdir()
    lonely.touch()
    assert checkpoints.run_of(lonely) is None
    with pytest.raises(UsageError, match=r"RESUME .*nothing\.pt: there is no such checkpoint"):
        checkpoints.resume_from(str(tmp_path / "nothing.pt"))


def test_log_and_best_model_come_along_and_nothing_is_overwritten(tmp_path: Path) -> None:
    old, new = a_run(tmp_path / "old"), tmp_path / "new"
    (new / "logs").mkdir(parents=True)
    (new / "logs/epoch_metrics.csv").write_text("mine")
    checkpoints.bring_over(old / "checkpoints/latest_model.pt", new)
    assert {str(file.relative_to(new)): file.read_text() for file in new.rglob("*") if file.is_file()} == {
        "metrics.jsonl": '{"step": 1, "epoch": 1}\n',
        "logs/epoch_metrics.csv": "mine",
        "checkpoints/best_model.pt": "best",
    }


def test_the_best_model_trained_last_is_found_in_the_own_run_first(tmp_path: Path) -> None:
    outputs = tmp_path / "an-example" / "outputs"
    a_run(outputs / "old", seconds=10)
    new = a_run(outputs / "new", seconds=20) / "checkpoints/best_model.pt"
    beside = a_run(tmp_path / "other" / "train", seconds=5) / "checkpoints/best_model.pt"
    for run in (outputs / "old", new.parents[1], beside.parents[1]):
        (run / "config.yaml").write_text("x-job: {example: an-example}\n")
    another = a_run(outputs / "another", seconds=30)
    (another / "config.yaml").write_text("x-job: {example: another-example}\n")
    assert checkpoints.best_of(None, None, outputs) == new
    assert checkpoints.best_of(None, str(tmp_path / "other" / "evaluate"), outputs) == beside
    assert checkpoints.best_of(None, str(tmp_path / "other" / "train"), outputs) == beside
    assert checkpoints.best_of(str(outputs / "old"), None, outputs).parts[-3] == "old"


def test_no_model_yet_says_how_to_train_one(tmp_path: Path) -> None:
    outputs = tmp_path / "an-example" / "outputs"
    with pytest.raises(UsageError, match="no trained model yet\nhint: train first: cvl run an-example smoke"):
        checkpoints.best_of(None, None, outputs)
    with pytest.raises(UsageError, match=r"CHECKPOINT .*missing\.pt: there is no such file"):
        checkpoints.best_of(str(tmp_path / "missing.pt"), None, outputs)


IN_TORCH = """
import json, resource, signal, sys
from pathlib import Path
import numpy, torch
from cvl.errors import CvlError
from cvl.kit.checkpoints import Checkpoints, read, write

folder = Path(sys.argv[1])

def told(job):
    try:
        job()
    except (CvlError, TypeError) as error:
        return f"{type(error).__name__}: {error}".replace(str(folder), "F")
    return "nothing was raised"

def state(epoch):
    return {"model": {"w": torch.full((3,), float(epoch))}, "epoch": epoch, "name": "x", "more": [1, None, (2.5, True)]}

def names():
    return sorted(path.name for path in (folder / "checkpoints").iterdir())

out = {}
keeper = Checkpoints(folder, save_every=2, keep=2)
out["fresh"] = keeper.has_best(100)
out["returned"] = [keeper.save(state(e), state(e), epoch=e, is_best=e in (1, 3)) for e in range(1, 9)]
out["files"] = names()
out["epochs"] = {name: read(folder / "checkpoints" / name)["epoch"] for name in names()}
out["has_best"] = [keeper.has_best(e) for e in (2, 3, 8)]
again = read(folder / "checkpoints" / "latest_model.pt")
out["same"] = [again["model"]["w"].tolist(), again["more"] == state(8)["more"], again["name"]]
for epoch in (4, 5, 6):  # goes on after 3: what lies beyond is left until it is reached
    keeper.save(state(epoch), {}, epoch=epoch, is_best=False)
out["gone on"] = names()

file = folder / "a.pt"
write(file, state(1))
out["plain values"] = [told(lambda: write(file, state(2) | {"v": v})) for v in (numpy.float64(1), Path("x"))]
before = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
out["full"] = told(lambda: write(file, {"model": {"w": torch.zeros(1_000_000)}, "epoch": 2}))
resource.setrlimit(resource.RLIMIT_FSIZE, before)
(folder / "file").touch()
out["no folder"] = told(lambda: write(folder / "file" / "a.pt", state(1)))
out["after"] = [read(file)["epoch"], sorted(path.name for path in folder.iterdir())]

class Evil:
    def __reduce__(self):
        return (Path.touch, (folder / "pwned",))

foreign = folder / "foreign.pt"
out["foreign"] = []
whole = file.read_bytes()
for content in (b"", b"text", whole[:200], whole[:-30]):
    foreign.write_bytes(content)
    out["foreign"].append(told(lambda: read(foreign)))
for content in ([1], {"model": {}}, {"model": Evil(), "epoch": 1}):
    torch.save(content, foreign)
    out["foreign"].append(told(lambda: read(foreign)))
out["foreign"].append(told(lambda: read(folder / "none.pt")))
out["ran"] = (folder / "pwned").exists()
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Filled by the first test that asks, so that torch is loaded once."""
    return {}


@pytest.fixture
def in_torch(seen: dict[str, Any], ml_python: Path, tmp_path: Path) -> dict[str, Any]:
    """What IN_TORCH printed."""
    if not seen:
        done = subprocess.run(
            [ml_python, "-c", IN_TORCH, tmp_path],
            cwd=REPOSITORY,
            env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        seen |= json.loads(done.stdout)
    return seen


@pytest.mark.training("yolo-ui-detection")
def test_latest_best_and_the_newest_of_every_second_epoch(in_torch: dict[str, Any]) -> None:
    assert in_torch["returned"] == ["checkpoints/latest_model.pt"] * 8
    assert in_torch["epochs"] == {"best_model.pt": 3, "epoch_006.pt": 6, "epoch_008.pt": 8, "latest_model.pt": 8}
    assert in_torch["same"] == [[8.0] * 3, True, "x"]
    assert in_torch["gone on"] == ["best_model.pt", "epoch_004.pt", "epoch_006.pt", "epoch_008.pt", "latest_model.pt"]


@pytest.mark.training("yolo-ui-detection")
def test_a_best_model_counts_where_it_is_no_younger_than_the_checkpoint(in_torch: dict[str, Any]) -> None:
    assert in_torch["fresh"] is False
    assert in_torch["has_best"] == [False, True, True]


@pytest.mark.training("yolo-ui-detection")
def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(in_torch: dict[str, Any]) -> None:
    hint = "hint: free space or name another OUTPUT_DIR, then go on with RESUME"
    assert in_torch["full"] == f"JobError: F/a.pt could not be written: File too large\n{hint}"
    assert in_torch["no folder"] == f"JobError: F/file/a.pt could not be written: File exists\n{hint}"
    assert in_torch["after"] == [1, ["a.pt", "checkpoints", "file"]]
    scalar, path = in_torch["plain values"]
    assert scalar.startswith("TypeError: a checkpoint holds tensors and plain values only: ")
    assert "numpy" in scalar and "Path" in path


@pytest.mark.training("yolo-ui-detection")
def test_what_is_no_checkpoint_is_refused_and_never_run(in_torch: dict[str, Any]) -> None:
    hint = "\nhint: a .pt file that this example trained, such as checkpoints/best_model.pt of a run"
    assert all(text.startswith("UsageError: F/") and text.endswith(hint) for text in in_torch["foreign"])
    reasons = [text.removesuffix(hint).partition(": ")[2].partition(": ")[2] for text in in_torch["foreign"]]
    assert [reason.partition(" (")[0] for reason in reasons] == [
        *["is no checkpoint"] * 4,
        "is no checkpoint of a run, it holds no model and no epoch",
        "is no checkpoint of a run, it holds no epoch",
        "is no checkpoint",
        "there is no such checkpoint",
    ]
    assert in_torch["ran"] is False
