"""results.csv, from the library and made up."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cvl.readers import ultralytics
from cvl.readers.base import Reading

REAL = sorted((Path(__file__).parent / "data/ultralytics").glob("*/results.csv"))
PADDED = "                  epoch,         train/box_loss,       metrics/mAP50(B)\n"


def read(folder: Path, content: str | bytes) -> Reading:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "results.csv").write_bytes(data)
    return ultralytics.read(ultralytics.find(folder))


def values(reading: Reading, name: str) -> list[tuple[int, str]]:
    one = reading.series[name]
    assert list(one.epoch) == list(one.step)
    return list(zip(one.step, map(str, one.value), strict=True))


def test_there_are_real_logs() -> None:
    assert [path.parent.name for path in REAL] == ["yolo26n", "yolov8n"]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.parent.name)
def test_real_logs_are_read_as_they_are(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{key.strip(): text for key, text in row.items()} for row in csv.DictReader(file)]
    found = ultralytics.read(ultralytics.find(path.parent))
    assert found.problems == ()
    assert set(found.series) == set(rows[0]) - {"epoch"}
    for name in found.series:
        assert values(found, name) == [(int(row["epoch"]), str(float(row[name]))) for row in rows]
    assert len(rows) == 3 and "train/box_loss" in found.series


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.parent.name)
def test_cut_at_every_byte(tmp_path: Path, path: Path) -> None:
    whole = path.read_bytes()
    full = ultralytics.read([path])
    head = whole.index(b"\n")
    for length in range(len(whole)):
        found = read(tmp_path, whole[:length])
        for name in found.series:
            assert values(found, name) == values(full, name)[: len(found.series[name])]
        complete = max(0, whole[:length].count(b"\n") - 1)
        assert len(found.series["train/box_loss"] if complete else ()) >= complete
        assert bool(found.problems) == (length > head + 1 and not whole[:length].endswith(b"\n")), length


def test_padded_headers(tmp_path: Path) -> None:
    found = read(tmp_path, PADDED + "                      1,                  1.234,                      0\n")
    assert values(found, "train/box_loss") == [(1, "1.234")]


def test_an_epoch_that_comes_again_counts_the_last_time(tmp_path: Path) -> None:
    found = read(tmp_path, "epoch,a,b\n1,5,1\n2,4,1\n2,3,\nepoch,a,b\n3,2,1\n1,9,1\n")
    assert values(found, "a") == [(1, "9.0"), (2, "3.0"), (3, "2.0")]
    assert values(found, "b") == [(1, "1.0"), (2, "1.0"), (3, "1.0")]
    assert found.problems == ()


def test_spellings_of_what_is_no_number(tmp_path: Path) -> None:
    found = read(tmp_path, "epoch,a,b\n1,inf,nan\n2,-inf,\n3,oops,1\n")
    assert values(found, "a") == [(1, "inf"), (2, "-inf")]
    assert values(found, "b") == [(1, "nan"), (3, "1.0")]
    assert [p.message for p in found.problems] == ["line 4: a is not a number"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2", "another number of cells than the header"),
        ("1,2,3,4", "another number of cells than the header"),
        ("x,2,3", "no whole number `epoch`"),
        ("1.5,2,3", "no whole number `epoch`"),
        (",2,3", "no whole number `epoch`"),
    ],
)
def test_odd_rows_are_left_out_and_said(tmp_path: Path, row: str, message: str) -> None:
    found = read(tmp_path, f"epoch,a,b\n7,1,1\n{row}\n8,1,1\n")
    assert values(found, "a") == [(7, "1.0"), (8, "1.0")]
    assert [p.message for p in found.problems] == [f"line 3: {message}"]


def test_the_last_cell_of_a_torn_row_is_not_trusted(tmp_path: Path) -> None:
    found = read(tmp_path, "epoch,a,b\n1,5,0.25\n2,4,0.2")
    assert values(found, "a") == [(1, "5.0"), (2, "4.0")]
    assert values(found, "b") == [(1, "0.25")]
    assert [p.message for p in found.problems] == ["line 3: torn line at the end, b left out"]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    found = read(tmp_path, b"\xef\xbb\xbfepoch,a\r\n1,5\r\n2,\xff\r\n3,4\r\n")
    assert values(found, "a") == [(1, "5.0"), (3, "4.0")]
    assert [p.message for p in found.problems] == ["line 3: not UTF-8 text"]


def test_rows_below_a_broken_header_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, b"epoch,\xff\n1,5\n2,4\n")
    assert found.series == {}
    assert [p.message for p in found.problems] == [
        "line 1: not UTF-8 text",
        "line 2: no header above it (and 1 more lines)",
    ]


@pytest.mark.parametrize("content", ["", "name,value\n1,2\n", "\n\n", "<html>"])
def test_another_results_csv_is_not_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.csv").write_text(content, encoding="utf-8")
    assert ultralytics.find(tmp_path) == []
