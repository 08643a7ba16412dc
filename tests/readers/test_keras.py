"""CSVLogger's file: whose it is, and what counts after a resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvl import readers
from cvl.readers import keras


def write(folder: Path, content: str, name: str = "training.log") -> None:
    (folder / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_any_separator(tmp_path: Path, separator: str) -> None:
    write(tmp_path, "epoch,accuracy,loss\n0,0.5,nan\n1,NA,2\n".replace(",", separator))
    found = readers.read(tmp_path)
    assert list(found) == ["keras"]
    series = found["keras"].series
    assert list(series) == ["accuracy", "loss"] and found["keras"].problems == ()
    assert (list(series["loss"].step), list(series["loss"].epoch)) == ([0, 1], [0, 1])
    assert [str(value) for value in series["loss"].value] == ["nan", "2.0"]
    assert list(series["accuracy"].value) == [0.5]


def test_rows_after_a_resume_count(tmp_path: Path) -> None:
    write(tmp_path, "epoch,loss\n0,5\n1,4\n2,3\n1,2\n2,1\n")
    assert list(keras.read(keras.find(tmp_path)).series["loss"].value) == [5, 2, 1]


def test_names_of_validation_may_come_last(tmp_path: Path) -> None:
    """As where the first epoch has no validation: the other names again, behind them."""
    write(tmp_path, "epoch,loss,zeros,val_loss,val_zeros\n0,5,1,NA,NA\n1,4,1,4,1\n", "history.csv")
    assert [path.name for path in keras.find(tmp_path)] == ["history.csv"]


def test_a_list_as_a_value_is_said(tmp_path: Path) -> None:
    write(tmp_path, 'epoch,f1,loss\n0,0.5,1\n1,"""[0.5, 0.25]""",1\n')
    found = keras.read(keras.find(tmp_path))
    assert [p.message for p in found.problems] == ["line 3: f1 is not a number"]
    assert list(found.series["loss"].value) == [1, 1]


@pytest.mark.parametrize(
    "content",
    [
        "epoch,loss\n1,5\n2,4\n",  # from 1
        "epoch,mae\n0,5\n",  # Keras always logs a loss
        "epoch,loss,accuracy\n0,5,1\n",  # not sorted
        "epoch,loss,step\n0,5,1\n",
        "step,loss\n0,5\n",
        "loss,epoch\n5,0\n",
    ],
)
def test_other_tables_are_left_to_csv(tmp_path: Path, content: str) -> None:
    write(tmp_path, content, "log.csv")
    assert list(readers.read(tmp_path)) == ["csv"]


@pytest.mark.parametrize(
    "content", ["", "epoch", "epoch\n0\n", "epoch\r\n0\r\n", "epoch,loss\n", "epoch,loss\nx,1\n", "epochs\n0\n", "\n\n"]
)
def test_what_is_no_log(tmp_path: Path, content: str) -> None:
    write(tmp_path, content)
    assert readers.read(tmp_path) == {}
