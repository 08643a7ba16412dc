"""`smoke` through `cvl run`: healthy seeds pass, every sabotaged run ends with 3 and names the rule.

CI runs a few; `bin/test matrix` runs ten seeds and every break, and writes matrix.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.smoke import REPOSITORY, check_break, check_healthy, sabotaged, smoke, write_table

EXAMPLE = REPOSITORY / "examples" / "detectron2-ui-detection"
TABLE = Path(__file__).with_name("matrix.md")
SHOWN = {"trend train_loss": "last / first loss", "range map50": "best mAP50"}

# break -> the rules of which one must catch it
CAUGHT_BY = {
    "lr-zero": {"params"},
    "labels-shuffled": {"range"},
    "loss-nan": {"finite"},
    "loss-negated": {"finite"},
    "frozen": {"params"},
    "normalisation": {"range", "trend"},
    "validation-empty": {"range", "finite"},
    "best-overwritten": {"artifact"},
}

pytestmark = [pytest.mark.training("detectron2-ui-detection"), pytest.mark.timeout(1200)]


def test_a_healthy_smoke_passes(ml_python: Path, tmp_path: Path) -> None:
    ended = check_healthy(EXAMPLE, ml_python, tmp_path)
    assert ended.record["split_sizes"]["train"] > 100
    assert (tmp_path / "latest" / "training_results.json").is_file()


@pytest.mark.parametrize("name", ["labels-shuffled", "loss-nan"])
def test_a_broken_smoke_ends_with_3(name: str, ml_python: Path, tmp_path: Path) -> None:
    check_break(EXAMPLE, name, CAUGHT_BY[name], ml_python, tmp_path)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Rows of the committed table."""
    rows: list[str] = []
    yield rows
    about = "`smoke` on a CPU, made by `bin/test matrix tests/examples/detectron2_ui_detection/test_smoke.py`."
    write_table(TABLE, about, SHOWN.values(), rows)


@pytest.mark.matrix
@pytest.mark.parametrize("seed", range(10))
def test_ten_healthy_seeds(seed: int, ml_python: Path, tmp_path: Path, table: list[str]) -> None:
    ended = smoke(ml_python, EXAMPLE, tmp_path, "-e", f"SEED={seed}")
    table.append(ended.row(f"healthy, seed {seed}", SHOWN))
    assert ended.code == 0, ended.text


@pytest.mark.matrix
@pytest.mark.parametrize("name", CAUGHT_BY)
def test_every_break(name: str, ml_python: Path, tmp_path: Path, table: list[str]) -> None:
    ended = smoke(ml_python, sabotaged(EXAMPLE, name, tmp_path), tmp_path / "out")
    table.append(ended.row(name, SHOWN))
    assert ended.code == 3, ended.text
    assert ended.failed & CAUGHT_BY[name], ended.text
