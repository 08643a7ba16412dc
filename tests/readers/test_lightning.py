"""metrics.csv: rows of one step, versions and resumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvl import readers
from cvl.readers import lightning
from cvl.readers.base import Reading

HEADER = "epoch,lr,step,train/loss,val/loss"


def write(folder: Path, *rows: str, header: str = HEADER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.csv").write_text("\r\n".join([header, *rows, ""]), encoding="utf-8", newline="")


def points(reading: Reading, name: str) -> list[tuple[int, str, str]]:
    one = reading.series[name]
    return [(step, str(epoch), str(value)) for step, epoch, value in zip(one.step, one.epoch, one.value, strict=True)]


def test_rows_of_one_step_share_their_epoch(tmp_path: Path) -> None:
    write(tmp_path, ",0.1,9,,", "0,,9,0.5,", "0,,9,,0.7", ",0.1,19,,", "1,,29,nan,")
    found = readers.read(tmp_path)["lightning"]
    assert points(found, "lr") == [(9, "0.0", "0.1"), (19, "nan", "0.1")]
    assert points(found, "train/loss") == [(9, "0.0", "0.5"), (29, "1.0", "nan")]
    assert points(found, "val/loss") == [(9, "0.0", "0.7")]
    assert found.problems == ()


def test_no_epoch_at_all(tmp_path: Path) -> None:
    write(tmp_path, "0,5", "1,4", header="step,loss")
    assert points(lightning.read(lightning.find(tmp_path)), "loss") == [(0, "nan", "5.0"), (1, "nan", "4.0")]


@pytest.mark.parametrize("place", ["", "lightning_logs"])
def test_versions_by_number_and_a_new_run_is_another(tmp_path: Path, place: str) -> None:
    for version in ("2", "9", "10", "last", "10 copy"):
        write(tmp_path / place / f"version_{version}", "0,,9,0.5,")
    assert lightning.find(tmp_path) == [tmp_path / place / "version_10/metrics.csv"]


def test_a_resume_follows_the_version_it_continues(tmp_path: Path) -> None:
    """Versions 1 and 2 both resume version 0; version 3 resumes version 2."""
    firsts = {0: "0,,9,0.9,", 1: "2,,29,0.8,", 2: "2,,29,0.7,", 3: "3,,39,0.6,"}
    for version, row in firsts.items():
        write(tmp_path / f"version_{version}", row, f",0.1,{10 * version + 9},,")
    paths = lightning.find(tmp_path)
    assert [path.parent.name for path in paths] == ["version_0", "version_2", "version_3"]
    assert [value for _, _, value in points(lightning.read(paths), "train/loss")] == ["0.9", "0.7", "0.6"]


@pytest.mark.parametrize("content", ["", HEADER, "epoch,loss\n1,2\n", "step;loss\n1;2\n", "<html>\n"])
def test_another_metrics_csv_is_not_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.csv").write_text(content, encoding="utf-8")
    assert lightning.find(tmp_path) == []
    assert lightning.read([tmp_path / "metrics.csv"]).series == {}


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    assert readers.read(tmp_path) == {}
