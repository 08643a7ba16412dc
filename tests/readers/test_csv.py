"""Tables of any tool: separators, odd cells, and whose file it is."""

from __future__ import annotations

import csv as standard
import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl import readers
from cvl.readers import csv, numbers
from cvl.readers.base import Reading, number

ROWS = "step,epoch,loss,note\n10,1,2.5,warm up\n20,1,nan,\n30,2,-Infinity,NA\n"
CELLS = st.sampled_from(
    ["1", "-2.5", "", "NA", "nan", "inf", "1e-3", " 7 ", "x", "1_0", '"3"', '"a,b"', "٣", "9" * 400]
)
# What JSON reads as a number, as another one, or as something else.
NUMBERS = st.sampled_from(["1", "2.5", "-0.5", "1e400", "-Infinity", "NaN", "9" * 30, " 7 ", "-1e-05"])
ODD = st.sampled_from(["-0", "-0.0", "-0e3", "007", "+1", ".5", "1.", "true", "null", "[1]", "{}", "[[", '"7"', "1\r"])


def read(folder: Path, content: str | bytes, name: str = "log.csv") -> Reading:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return csv.read(csv.find(folder))


def points(reading: Reading, name: str) -> list[tuple[int, str, str]]:
    one = reading.series[name]
    return [(step, str(epoch), str(value)) for step, epoch, value in zip(one.step, one.epoch, one.value, strict=True)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    found = read(tmp_path, "\ufeff" + ROWS.replace(",", separator).replace("\n", end))
    assert points(found, "loss") == [(10, "1.0", "2.5"), (20, "1.0", "nan"), (30, "2.0", "-inf")]
    assert list(found.series) == ["loss"] and found.problems == ()


@pytest.mark.parametrize("name", ["step", "Step", "global_step", "iteration", "iter", "it"])
def test_names_of_the_step(tmp_path: Path, name: str) -> None:
    assert points(read(tmp_path, f"loss,{name}\n5,10\n4,20\n"), "loss") == [(10, "nan", "5.0"), (20, "nan", "4.0")]


def test_rows_are_counted_where_there_are_no_steps(tmp_path: Path) -> None:
    assert points(read(tmp_path, "epoch,loss\n0,5\n\n1,4\n"), "loss") == [(1, "0.0", "5.0"), (3, "1.0", "4.0")]


def test_the_later_row_of_a_step_counts_and_its_epoch_is_that_of_any_row(tmp_path: Path) -> None:
    found = read(tmp_path, "step,epoch,lr,loss\n1,,0.1,\n1,3,,5\n2,4,,6\n1,3,,7\n9,,0.2,\n")
    assert points(found, "loss") == [(1, "3.0", "7.0")]
    assert points(found, "lr") == [(9, "nan", "0.2")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2", "another number of cells than the header"),
        ("1,2,3,4", "another number of cells than the header"),
        ("x,2,3", "no whole number `step`"),
        ("1.5,2,3", "no whole number `step`"),
        ("1_0,2,3", "no whole number `step`"),
        (",2,3", "no whole number `step`"),
        ("9e99,2,3", "no whole number `step`"),
        ("9,oops,1", "a is not a number"),
        ("9,1_0,1", "a is not a number"),
        ("9,0x10,1", "a is not a number"),
        ('9,"[1, 2]",1', "a is not a number"),
        (f'9,"{"1" * 200_000}",1', "another number of cells than the header"),
        ("9,\x00,1", "a is not a number"),
    ],
    ids=range(13),
)
def test_odd_rows_are_left_out_and_said(tmp_path: Path, row: str, message: str) -> None:
    found = read(tmp_path, f"step,a,b\n7,1,1\n{row}\n10,1,1\n")
    assert points(found, "a") == [(7, "nan", "1.0"), (10, "nan", "1.0")]
    assert [p.message for p in found.problems] == [f"line 3: {message}"]


def test_a_row_too_short_and_one_too_long_are_not_taken_for_two_good_ones(tmp_path: Path) -> None:
    found = read(tmp_path, "step,a,b\n1,2,3\n2,3\n3,4,5,6\n4,5,6\n")
    assert points(found, "a") == [(1, "nan", "2.0"), (4, "nan", "5.0")]
    assert [p.message for p in found.problems] == ["line 3: another number of cells than the header (and 1 more lines)"]


def test_the_last_cell_of_a_torn_row_is_not_trusted(tmp_path: Path) -> None:
    found = read(tmp_path, "step,a,b\n1,5,0.25\n2,4,0.2")
    assert points(found, "a") == [(1, "nan", "5.0"), (2, "nan", "4.0")]
    assert points(found, "b") == [(1, "nan", "0.25")]
    assert [p.message for p in found.problems] == ["line 3: torn line at the end, b left out"]


def test_a_header_that_comes_again_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    found = read(tmp_path, b'step,"a,b"\n1,5\nstep,"a,b"\n2,\xff\n2,6\n')
    assert points(found, "a,b") == [(1, "nan", "5.0"), (2, "nan", "6.0")]
    assert [p.message for p in found.problems] == ["line 4: not UTF-8 text"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=30), st.integers(1, 40))
def test_blocks_say_what_rows_say(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], block: int) -> None:
    """However the file is cut into blocks, each cell is read as the csv module and float() read it."""
    text = "step,a,b\n0,1,1\n" + "".join(f"{i},{a},{b}\n" for i, (a, b) in enumerate(rows, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cvl.readers.texts._BLOCK", block + 16)
        path = tmp_path_factory.mktemp("blocks") / "log.csv"
        path.write_text(text, encoding="utf-8")
        found = csv.read([path])
    wanted = list(standard.DictReader(io.StringIO(text)))
    for name in ("a", "b"):
        values = [(int(row["step"]), number(row[name])) for row in wanted]
        assert points(found, name) == [(step, "nan", str(value)) for step, value in values if value is not None]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=9), ODD, st.integers(0, 9), st.integers(0, 1))
def test_a_block_of_numbers_says_what_its_cells_say(rows: list[list[str]], odd: str, at: int, side: int) -> None:
    """With and without a cell that another parser could take for something else than float() does."""
    strange = [*rows[:at], ["5", odd] if side else [odd, "5"], *rows[at:]]
    for cells in (rows, strange):
        found = numbers.columns("".join(f"{i},{a},{b}\n" for i, (a, b) in enumerate(cells)), ",", 3)
        assert cells is strange or found is not None or not rows
        for i, column in enumerate(found or ()):
            with suppress(TypeError, OverflowError):
                values = numbers.floats(column)
                wanted = [float(row[i - 1]) if i else float(at) for at, row in enumerate(cells)]
                assert list(map(str, values)) == list(map(str, wanted))


@pytest.mark.parametrize(
    "text",
    ["", "1,2", "1,2\n3", "1,2\n3\n4,5,6\n", "1,2,3\n4\n", "1,2\n\n", "1,2\n,3\n", "1,null\n2,3\n", "1\n2,null,3,4\n"],
)
def test_lines_of_another_width_are_no_columns(text: str) -> None:
    assert numbers.columns(text, ",", 2) is None


def test_a_comma_within_a_cell_is_no_separator(tmp_path: Path) -> None:
    found = read(tmp_path, "step;a;b\n1;5;6\n2;1,5\n3;7;8\n")
    assert points(found, "a") == [(1, "nan", "5.0"), (3, "nan", "7.0")]


def test_whole_numbers_are_exact(tmp_path: Path) -> None:
    found = read(tmp_path, f"step,a\n{2**53 + 1},1\n{2**63 - 1},2\n")
    assert points(found, "a") == [(2**53 + 1, "nan", "1.0"), (2**63 - 1, "nan", "2.0")]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "step,loss\n",
        "step,loss",
        "1,2\n3,4\n",
        "loss\n5\n",
        "a,b\nx,y\n",
        "a,b\n1\n",
        "\x00\x01\n\x02\n",
        "<html>\n",
    ],
)
def test_what_is_no_table_with_a_number_is_not_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "log.csv").write_text(content, encoding="utf-8")
    assert csv.find(tmp_path) == []
    assert csv.read([tmp_path / "log.csv"]).series == {}


def test_of_several_files_those_that_count_steps_and_of_one_metric_the_newest(tmp_path: Path) -> None:
    contents = {
        "boxes.csv": "x,y\n1,2\n",
        "old.csv": "step,loss\n1,2\n",
        "new.csv": "step,loss\n1,3\n",
        "val.tsv": "epoch\tmap\n1\t3\n",
    }
    for age, (name, content) in enumerate(contents.items(), 1):
        (tmp_path / name).write_text(content, encoding="utf-8")
        os.utime(tmp_path / name, (age, age))
    assert [path.name for path in csv.find(tmp_path)] == ["new.csv", "val.tsv"]
    assert list(readers.read(tmp_path)) == ["csv"]
    (tmp_path / "new.csv").unlink()
    (tmp_path / "old.csv").unlink()
    (tmp_path / "val.tsv").unlink()
    assert [path.name for path in csv.find(tmp_path)] == ["boxes.csv"]


def test_a_file_that_vanished(tmp_path: Path) -> None:
    assert csv.read([tmp_path / "gone.csv"]).series == {}


@pytest.mark.slow
def test_five_million_points_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("step,epoch,a,b,c,d,e\n")
        file.writelines(f"{i},{i // 1000},0.5,0.25,{i}.5,1e-3,7\n" for i in range(1_000_000))
    code = (
        "import pathlib, resource, sys; from cvl.readers import csv; found = csv.read([pathlib.Path(sys.argv[1])])\n"
        "print(sum(map(len, found.series.values())), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 5_000_000
    assert kilobytes * 1024 < 24 * 6_000_000 + (80 << 20)  # the epochs are kept like a sixth metric
