"""`smoke` of every example through `cvl run`: healthy seeds pass, every sabotaged run ends with 3 and names the rule.

CI runs a few; `bin/test matrix` runs ten seeds and every break, and writes the example's matrix.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.examples.smoke import REPOSITORY, check_break, check_healthy, sabotaged, smoke, write_table

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True)
class Smoke:
    """What an example's `smoke` must show.

    `caught_by`: break -> the rules of which one must catch it; `in_suite` are the breaks of every test run. `shown`:
    rule and metric -> column of the table; `train`: more pictures than that; `leaves`: files of this example's own.
    """

    caught_by: Mapping[str, Collection[str]]
    in_suite: Collection[str]
    shown: Mapping[str, str]
    train: int
    leaves: Collection[str] = ()


DETECTOR = {
    "lr-zero": {"params"},
    "labels-shuffled": {"range"},
    "loss-nan": {"finite"},
    "loss-negated": {"finite"},
    "frozen": {"params"},
    "normalisation": {"range", "trend"},
    "validation-empty": {"range", "finite"},
    "best-overwritten": {"artifact"},
}
SEGMENTER = {
    **DETECTOR,
    "lr-huge": {"finite", "trend", "range"},
    "head-forgotten": {"params"},
    "normalisation": {"range", "above"},
    "all-foreground": {"above", "not_constant"},
    "constant": {"range", "not_constant"},
}
LOSS = {"trend train_loss": "last / first loss"}
SMOKES = {
    "yolo-ui-detection": Smoke(
        caught_by=DETECTOR,
        in_suite=("lr-zero", "labels-shuffled", "loss-nan"),
        shown={**LOSS, "range map50": "best mAP50"},
        train=100,
        leaves=("training_results.json",),
    ),
    "unet-crack-segmentation": Smoke(
        caught_by=SEGMENTER,
        in_suite=("labels-shuffled", "loss-nan"),
        shown={**LOSS, "range dice": "best Dice"},
        train=50,
    ),
    "detectron2-ui-detection": Smoke(
        caught_by=DETECTOR,
        in_suite=("labels-shuffled", "loss-nan"),
        shown={**LOSS, "range map50": "best mAP50"},
        train=100,
        leaves=("training_results.json",),
    ),
}
Tables = dict[str, list[str]]


def case(example: str, *values: Any) -> Any:
    """A parameter set that wants the environment of the example."""
    return pytest.param(example, *values, marks=pytest.mark.training(example))


def breaks(names: str) -> list[Any]:
    """Of every example: those that its field `names`."""
    return [case(example, name) for example, wanted in SMOKES.items() for name in getattr(wanted, names)]


@pytest.mark.parametrize("example", [case(example) for example in SMOKES])
def test_a_healthy_smoke_passes(example: str, ml_python: Path, tmp_path: Path) -> None:
    ended = check_healthy(folder(example), ml_python, tmp_path)
    assert ended.record["split_sizes"]["train"] > SMOKES[example].train
    assert all((tmp_path / "latest" / name).is_file() for name in SMOKES[example].leaves)


@pytest.mark.parametrize(("example", "name"), breaks("in_suite"))
def test_a_broken_smoke_ends_with_3(example: str, name: str, ml_python: Path, tmp_path: Path) -> None:
    check_break(folder(example), name, SMOKES[example].caught_by[name], ml_python, tmp_path)


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    """Rows of the committed tables, by example."""
    rows: Tables = defaultdict(list)
    yield rows
    for example, lines in rows.items():
        about = f"`smoke` on a CPU, made by `bin/test matrix tests/examples/test_smoke.py -k {example}`."
        write_table(table(example), about, SMOKES[example].shown.values(), lines)


@pytest.mark.matrix
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("example", [case(example) for example in SMOKES])
def test_ten_healthy_seeds(example: str, seed: int, ml_python: Path, tmp_path: Path, tables: Tables) -> None:
    ended = smoke(ml_python, folder(example), tmp_path, "-e", f"SEED={seed}")
    tables[example].append(ended.row(f"healthy, seed {seed}", SMOKES[example].shown))
    assert ended.code == 0, ended.text


@pytest.mark.matrix
@pytest.mark.parametrize(("example", "name"), breaks("caught_by"))
def test_every_break(example: str, name: str, ml_python: Path, tmp_path: Path, tables: Tables) -> None:
    ended = smoke(ml_python, sabotaged(folder(example), name, tmp_path), tmp_path / "out")
    tables[example].append(ended.row(name, SMOKES[example].shown))
    assert ended.code == 3, ended.text
    assert ended.failed & set(SMOKES[example].caught_by[name]), ended.text


def folder(example: str) -> Path:
    return REPOSITORY / "examples" / example


def table(example: str) -> Path:
    return Path(__file__).parent / example.replace("-", "_") / "matrix.md"
