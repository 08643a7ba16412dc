"""The line of a point in a text log."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from cvl import readers
from tests.readers.test_fixtures import CASES, IDS

NUMBER = r"-?(?:nan|inf|\d[\d.]*(?:e[-+]?\d+)?)"
TEXT = ("cvl_jsonl", "ultralytics", "lightning", "detectron2", "keras", "jsonl", "csv")


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_line_of_a_real_log_holds_the_point(case: Path) -> None:
    """Of one in another file than its series began in there is no line."""
    name = case.parent.name
    found = 0
    for metric, series in readers.read(case)[name].series.items():
        for i in {0, len(series) // 2, len(series) - 1}:
            line = readers.line(name, Path(series.file), (series.step[i], series.value[i]), metric)
            if line is not None:
                text = Path(series.file).read_text(encoding="utf-8").split("\n")[line - 1]
                numbers = {str(float(word)) for word in re.findall(NUMBER, text, re.IGNORECASE)}
                assert {str(float(series.step[i])), str(series.value[i])} <= numbers
                found += 1
    assert bool(found) is (name in TEXT)


@pytest.mark.parametrize(
    ("reader", "text", "point", "name", "line"),
    [
        ("csv", "step,loss\n1,5\n2,4\n", (2, 4.0), "loss", 3),
        ("csv", "step,loss\n1,5\n2,4\n1,3\n", (1, 3.0), "loss", 4),
        ("csv", "epoch,loss\n1,5\n1,4\n", (2, 4.0), "loss", 3),
        ("csv", "step,loss\n1,5\n2,4\n", (2, 5.0), "loss", None),
        ("csv", "step,loss\n1,nan\n2,nan\n", (1, math.nan), "loss", 2),
        ("csv", "step,loss\n1,5\n\n2,4\n", (2, None), "", 4),
        ("cvl_jsonl", '{"step": 1, "a": 2}\n{"step": 1, "b": 2}\n{"step', (1, 2.0), "a", 1),
        ("cvl_jsonl", '{"step": 1, "a": NaN}\n{"step": 1, "a": 2}\n', (1, math.nan), "a", 1),
        ("jsonl", '{"iter": 7, "a": 2}\n', (7, 2.0), "a", 1),
        ("tensorboard", "any", (7, 2.0), "a", None),
    ],
)
def test_which_line(
    tmp_path: Path, reader: str, text: str, point: tuple[int, float], name: str, line: int | None
) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert readers.line(reader, path, point, name) == line


def test_a_file_that_is_gone_or_huge_has_no_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert readers.line("cvl_jsonl", path, (1, None), "") is None
    with path.open("w") as file:
        file.write('{"step": 1, "a": 2}\n')
        file.truncate(1 << 30)
    assert readers.line("cvl_jsonl", path, (1, None), "") is None
