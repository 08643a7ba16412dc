"""The cache on real files and between real processes; the work is done by cache_job.py in an example's environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.jobs import answers

pytestmark = pytest.mark.training("yolo-ui-detection")


@pytest.fixture
def found(ml_python: Path) -> dict[str, Any]:
    return answers(ml_python, "cache_job.py")[0]


@pytest.fixture
def said(ml_python: Path) -> list[str]:
    return answers(ml_python, "cache_job.py")[1]


def test_what_was_kept_comes_back_as_it_was(found: dict[str, Any]) -> None:
    hits = found["hits"]
    assert hits["equal"] == [True] * 6 and hits["read-only"] == [True] * 7
    assert hits["the maker's array stays writeable"] and hits["another key is another array"] == [0.0]


def test_an_altered_file_is_made_again(found: dict[str, Any]) -> None:
    altered = found["altered"]
    assert altered["broken"] > 320 and altered["right"] == altered["mended"] == altered["broken"]


def test_four_processes_that_make_the_same(found: dict[str, Any]) -> None:
    assert found["together"] == {"codes": [0] * 4, "wrong": 0, "files": [".npy"] * 10, "hit": True}


def test_a_process_killed_while_it_writes_leaves_nothing_torn(found: dict[str, Any]) -> None:
    assert found["killed"]["torn"] > 0, "no kill came while a file was written: nothing was shown"
    assert found["killed"]["right"] == [True] * 4 and found["killed"]["tidied"]


def test_the_oldest_go_first_and_those_in_use_stay(found: dict[str, Any], said: list[str]) -> None:
    assert found["limit"] == {"there": "aABCDEFGHIJ", "bytes": True}
    assert "cache FOLDER/limit: nothing more is kept (0.00112 GiB are full)" in said


def test_a_disk_that_is_nearly_full_is_left_alone(found: dict[str, Any], said: list[str]) -> None:
    assert found["reserve"] == {"right": [True] * 3, "files": 0}
    lines = [line for line in said if "FOLDER/reserve" in line]
    assert lines == ["cache FOLDER/reserve: nothing more is kept (1.07e+09 GiB of disk are to stay free)"]


def test_a_full_disk_is_said_once_by_all_processes_together(found: dict[str, Any], said: list[str]) -> None:
    assert found["full"] == {"codes": [0] * 3, "right": [True] * 3, "files": 0}
    assert [line for line in said if "FOLDER/full" in line] == [
        "cache FOLDER/full: nothing more is kept (File too large)"
    ]


def test_without_a_folder_the_work_goes_on(found: dict[str, Any], said: list[str]) -> None:
    assert found["no_folder"] == {"right": True}
    assert "cache FOLDER/no_folder: nothing more is kept (Not a directory)" in said


def test_arrays_of_objects_are_refused(found: dict[str, Any]) -> None:
    assert found["objects"] == "object: only arrays of numbers are kept"
