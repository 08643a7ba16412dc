"""Tables for a terminal: wrapped between words, never inside one, and not at all for another program."""

from __future__ import annotations

import sys

import pytest

from cvl import console

ROWS = [
    ("NAME", "SEES", "MEANING"),
    ("BATCH_SIZE", "2 (cuda 16)", "Images per step and device, as many as memory takes"),
    ("LR", "0.001", "Peak learning rate"),
]


def words(text: str) -> list[str]:
    return sorted(text.split())


@pytest.mark.parametrize("width", [30, 45, 60, 79, 80, 120])
def test_a_table_fits_and_every_word_stays_whole(width: int) -> None:
    shown = console.columns(ROWS, indent="  ", width=width)
    assert max(map(len, shown.splitlines())) <= width
    assert words(shown) == words(" ".join(cell for row in ROWS for cell in row))


def test_what_goes_on_stands_under_its_column() -> None:
    assert console.columns(ROWS, width=45).splitlines() == [
        "NAME        SEES         MEANING",
        "BATCH_SIZE  2 (cuda 16)  Images per step and",
        "                         device, as many as",
        "                         memory takes",
        "LR          0.001        Peak learning rate",
    ]


def test_words_too_long_side_by_side_go_below_and_stay_whole() -> None:
    rows = [("RUN", "STARTED", "EXAMPLE"), ("train-20261121-140614", "2026-11-21T14:06", "yolo-ui-detection")]
    assert console.columns(rows, width=50).splitlines() == [
        "RUN                    STARTED           EXAMPLE",
        "train-20261121-140614  2026-11-21T14:06",
        "    yolo-ui-detection",
    ]


def test_what_another_program_reads_has_one_line_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert len(console.columns(ROWS).splitlines()) == len(ROWS)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert len(console.columns(ROWS).splitlines()) > len(ROWS)


def test_nothing_is_no_line() -> None:
    assert console.columns([]) == ""
    assert console.columns([("a", "")]) == "a"


def test_a_paragraph_hangs() -> None:
    assert console.paragraph("one two three", indent="  ", width=11) == "  one two\n    three"


def test_a_path_may_break_behind_a_slash() -> None:
    text = "checkpoints/best_model.pt, whole"
    assert console.wrap(text, 14, console.SPACES_AND_SLASHES) == ["checkpoints/", "best_model.pt,", "whole"]
    assert console.wrap(text, 14) == ["checkpoints/best_model.pt,", "whole"]
