"""expected.json of a case, as tests/readers/test_fixtures.py wants it."""

from __future__ import annotations

import json
from pathlib import Path

Row = tuple[int, float | None, float]  # step, epoch, value


def write(case: Path, series: dict[str, list[Row]], *, problems: int = 0) -> None:
    rows = {
        name: [[step, epoch, str(float(value))] for step, epoch, value in points] for name, points in series.items()
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(points)}" for name, points in rows.items())
    text = f'{{"problems": {problems}, "series": {{\n{lines}\n}}}}\n'
    (case / "expected.json").write_text(text, encoding="utf-8")
