"""`cvl info`: parameters grouped by the presets that use them, and one preset alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvl.cli import group
from cvl.errors import UsageError

MANIFEST = """\
name: toy
capability: perception/object_detection
stability: stable
tasks: [object_detection]
frameworks: [none]
description: A toy
presets:
  train: {command: [python, train.py], description: Train}
  smoke: {command: [python, train.py], env: {EPOCHS: 2, EMA: false}, description: Short}
  predict: {command: [python, predict.py], description: Boxes}
parameters:
  EPOCHS: {type: integer, default: 30, minimum: 1, description: Passes, presets: [train, smoke], aliases: [NUM_EPOCHS]}
  SIZE: {type: integer, default: 64, description: Pixels}
  SOURCE: {type: path, description: Pictures, presets: [predict]}
  EMA: {type: boolean, default: true, description: Averaged weights, presets: [train, smoke]}
verification:
  metrics: {loss: {key: train/loss, kind: loss}}
  presets:
    train: [finite: [loss]]
    smoke: [trend: {metric: loss, ratio_max: 0.8}]
"""


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "example.yaml").write_text(MANIFEST)
    monkeypatch.setenv("CVL_EXAMPLES", str(tmp_path))


def info(*words: str) -> str:
    done = CliRunner().invoke(group, ["info", *words], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout


def test_parameters_are_grouped_the_common_ones_first() -> None:
    shown = info("toy")
    assert shown[shown.index("Parameters of every") : shown.index("\n\nEvidence")] == (
        "Parameters of every preset\n"
        "  SIZE  64  Pixels [integer]\n"
        "\n"
        "Parameters of train, smoke\n"
        "  EPOCHS  30    Passes [integer 1…; also NUM_EPOCHS]\n"
        "  EMA     true  Averaged weights [boolean]\n"
        "\n"
        "Parameters of predict\n"
        "  SOURCE  unset  Pictures [path]"
    )
    assert "\n  smoke    Short (EPOCHS=2, EMA=false)\n" in shown
    assert "\nRules of train\n" in shown and "\nRules of smoke\n" in shown


def test_one_preset_alone() -> None:
    shown = info("toy", "smoke")
    for there in ("\n  smoke  Short", "Parameters of smoke\n  EPOCHS ", "  SIZE ", "Rules of smoke"):
        assert there in shown
    for elsewhere in ("SOURCE", "predict", "train,", "finite"):
        assert elsewhere not in shown
    assert "Rules" not in info("toy", "predict") and "Evidence" not in info("toy", "predict")
    found = json.loads(info("toy", "smoke", "--json"))
    assert list(found["presets"]) == ["smoke"] and list(found["parameters"]) == ["EPOCHS", "SIZE", "EMA"]
    assert [state["preset"] for state in found["evidence"]] == ["smoke"]


def test_a_preset_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="did you mean 'smoke'") as raised:
        info("toy", "smok")
    assert raised.value.hint == "its presets are: train, smoke, predict"
