"""How far groups of weights moved, measured on real tensors in an example's environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, torch
from cvl.kit.groups import WeightGroups

torch.manual_seed(0)
trained, frozen, fresh = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2), torch.nn.Parameter(torch.zeros(4))
for weight in frozen.parameters():
    weight.requires_grad_(False)
groups = WeightGroups({"trained": trained.parameters(), "frozen": frozen.parameters(), "fresh": [fresh], "none": []})
before = groups.read()
with torch.no_grad():
    for weight in trained.parameters():
        weight.mul_(1.5)
    fresh[0] = 3.0
print(json.dumps([before, groups.read()]))
"""


@pytest.mark.training("yolo-ui-detection")
def test_change_is_relative_to_the_start_and_only_trainable_weights_are_counted(ml_python: Path) -> None:
    done = subprocess.run(
        [ml_python, "-c", SCRIPT], cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert {name: value for name, value in before.items() if name.endswith("change")} == {
        "params/trained/change": 0, "params/frozen/change": 0, "params/fresh/change": 0, "params/none/change": 0,
    }  # fmt: skip
    assert after == pytest.approx(
        {
            "params/trained/change": 0.5, "params/trained/trainable": 8,
            "params/frozen/change": 0.0, "params/frozen/trainable": 0,
            "params/fresh/change": 3.0, "params/fresh/trainable": 4,
            "params/none/change": 0.0, "params/none/trainable": 0,
        }
    )  # fmt: skip
