"""Logs that a resume appends to: what it made void is gone, and where going back is no resume nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvl import readers
from cvl.readers.base import Reading

Rows = list[tuple[float, ...]]
VOID = "as after a resume: what was logged from there on before is left out"
KILLED: Rows = [(1, 1, 5), (2, 1, 4), (3, 2, 3), (4, 2, 2), (5, 3, 1)]
RESUMED: Rows = [(3, 2, 3.5), (4, 2, 2.5)]


def csv(folder: Path, rows: Rows, names: str = "step,epoch,loss") -> Reading:
    text = "".join(",".join(f"{cell:g}" for cell in row) + "\n" for row in rows)
    (folder / "log.csv").write_text(f"{names}\n{text}")
    return readers.read(folder)["csv"]


def jsonl(folder: Path, rows: Rows, names: str = "step,epoch,loss") -> Reading:
    lines = ("{" + ", ".join(f'"{n}": {c:g}' for n, c in zip(names.split(","), row, strict=True)) + "}" for row in rows)
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    return readers.read(folder)["jsonl"]


def console(folder: Path, rows: Rows) -> Reading:
    (folder / "train.log").write_text("".join(f"Epoch {e:g} step {s:g} loss: {v}\n" for s, e, v in rows))
    return readers.read(folder)["console"]


def values(reading: Reading, name: str = "loss") -> list[float]:
    return list(reading.series[name].value)


def messages(reading: Reading) -> list[str]:
    return [problem.message for problem in reading.problems]


@pytest.mark.parametrize("write", [csv, jsonl, console])
def test_what_was_logged_beyond_the_resume_point_is_gone(write: object, tmp_path: Path) -> None:
    found = write(tmp_path, KILLED + RESUMED)  # type: ignore[operator]
    assert list(found.series["loss"].step) == [1, 2, 3, 4]
    assert values(found) == [5, 4, 3.5, 2.5]
    assert messages(found) == [f"steps go back from 5 to 3, {VOID}"]


@pytest.mark.parametrize("write", [csv, jsonl])
def test_rows_that_only_say_their_epoch_too(write: object, tmp_path: Path) -> None:
    found = write(tmp_path, [(1, 5), (2, 4), (3, 3), (4, 2), (2, 4.5), (3, 3.5)], "epoch,loss")  # type: ignore[operator]
    assert list(found.series["loss"].epoch) == [1, 2, 3]
    assert values(found) == [5, 4.5, 3.5]
    assert messages(found) == [f"epochs go back from 4 to 2, {VOID}"]


@pytest.mark.parametrize("write", [csv, jsonl])
def test_again_and_again(write: object, tmp_path: Path) -> None:
    rows: Rows = [(s, 1, 0) for s in range(1, 41)] + [(s, 1, 1) for s in range(20, 31)] + [(s, 1, 2) for s in (25, 26)]
    found = write(tmp_path, rows)  # type: ignore[operator]
    assert values(found) == [0] * 19 + [1] * 5 + [2] * 2
    assert len(found.problems) == 2


@pytest.mark.parametrize("write", [csv, jsonl])
def test_a_metric_that_was_not_logged_since_goes_back_too_but_not_one_in_other_steps(
    write: object, tmp_path: Path
) -> None:
    lines = ['{"step": 3, "epochs/score": 0.5}'] + [f'{{"step": {s}, "loss": 1, "lr": 2}}' for s in range(10, 60, 10)]
    lines += ['{"step": 50, "val/loss": 3}', '{"step": 30, "loss": 1.5}', '{"step": 40, "loss": 1.5}']
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    found = readers.read(tmp_path)["jsonl"]
    steps = {name: list(series.step) for name, series in found.series.items()}
    assert steps == {"epochs/score": [3], "loss": [10, 20, 30, 40], "lr": [10, 20]}
    table = "step,loss,val\n" + "".join(f"{s},1,\n" for s in range(10, 60, 10)) + "50,,3\n30,2,\n40,2,\n"
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "log.csv").write_text(table)
    found = readers.read(tmp_path / "csv")["csv"]
    assert {name: list(series.step) for name, series in found.series.items()} == {"loss": [10, 20, 30, 40]}


@pytest.mark.parametrize("write", [csv, jsonl])
@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(1, 1, 5), (2, 1, 4), (3, 1, 3), (1, 2, 2), (2, 2, 1)], "steps are counted anew in each epoch"),
        ([(n + n % 2 * 2, 1, n) for n in range(60)], "steps go back 29 times, as where several processes write"),
    ],
)
def test_going_back_without_a_resume_keeps_every_step(write: object, tmp_path: Path, rows: Rows, why: str) -> None:
    found = write(tmp_path, rows)  # type: ignore[operator]
    last = {step: value for step, _, value in rows}
    assert dict(zip(found.series["loss"].step, values(found), strict=True)) == last
    assert messages(found) == [f"{why}: of equal steps the last one counts"]


def test_a_count_that_begins_again_without_an_epoch_cannot_be_told(tmp_path: Path) -> None:
    found = csv(tmp_path, [(1, 5), (2, 4), (3, 3), (1, 2), (2, 1)], "step,loss")
    assert values(found) == [2, 1, 3]
    said = "steps begin again at 1: another run, or counted anew in each epoch"
    assert messages(found) == [f"{said}: of equal steps the last one counts"]


def test_late_rows_of_other_metrics_are_no_resume(tmp_path: Path) -> None:
    lines = [f'{{"step": {s}, "loss": {s}}}\n{{"step": {s - 1}, "val": {s}}}\n' for s in range(2, 40, 2)]
    (tmp_path / "log.jsonl").write_text("".join(lines))
    found = readers.read(tmp_path)["jsonl"]
    assert list(found.series["loss"].step) == list(range(2, 40, 2)) == [s + 1 for s in found.series["val"].step]
    assert messages(found) == []


def test_resumed_within_blocks_and_across_them(tmp_path: Path) -> None:
    rows: Rows = [(s, 1, 0) for s in range(30_000)] + [(s, 1, 1) for s in range(12_345, 20_000)]
    for found in (csv(tmp_path, rows), jsonl(tmp_path, rows)):
        assert list(found.series["loss"].step) == list(range(20_000))
        assert values(found) == [0.0] * 12_345 + [1.0] * 7_655


def test_keras_epochs_that_go_back_are_always_a_resume(tmp_path: Path) -> None:
    rows = [f"{epoch},{0.5 + epoch},1.0\n" for epoch in (0, 1, 2, 1, 2, 1, 2, 1)]
    (tmp_path / "training.log").write_text("epoch,accuracy,loss\n" + "".join(rows))
    found = readers.read(tmp_path)["keras"]
    assert list(found.series["loss"].step) == [0, 1]
    assert messages(found) == []


@pytest.mark.parametrize("steps", ["step,epoch", "epoch"])
def test_files_side_by_side_are_no_resumes_of_each_other(tmp_path: Path, steps: str) -> None:
    both = steps == "step,epoch"
    rows = [f"{s},{s // 2}" if both else f"{s}" for s in range(1, 21)]
    (tmp_path / "train.csv").write_text(f"{steps},loss\n" + "".join(f"{row},1\n" for row in rows))
    (tmp_path / "val.csv").write_text(f"{steps},map\n" + "".join(f"{row},2\n" for row in [*rows, *rows[10:15]]))
    found = readers.read(tmp_path)["csv"]
    assert {name: len(series) for name, series in found.series.items()} == {"loss": 20, "map": 15}
    assert messages(found) == [f"{'steps' if both else 'epochs'} go back from 20 to 11, {VOID}"]
