"""Optimizers, schedules and averages, against torch's own and plain loops."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.training("yolo-ui-detection")

IN_TORCH = """
import json, warnings
import torch
from torch.optim import lr_scheduler as torchs
from cvl.errors import UsageError
from cvl.kit import averaging, optim

warnings.simplefilter("ignore")
STEPS, NAMES = 40, ("constant", "cosine", "poly", "step", "onecycle", "plateau")
METRICS = (0.1, 0.2, 0.2, 0.1, 0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
out = {}

def sgd(lr=0.5):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(2, 2))], lr=lr)

def ours(name, lr=0.5, metrics=None, **options):
    optimizer = sgd(lr)
    schedule = optim.schedule(name, optimizer, steps=STEPS, **options)
    rates = []
    for number in range(len(metrics or range(STEPS))):
        rates.append(schedule.lr)
        optimizer.step()
        schedule.after_step()
        if metrics:
            schedule.after_epoch(metrics[number])
    return rates + [schedule.lr]

def theirs(make, lr=0.5, metrics=None):
    optimizer = sgd(lr)
    schedule = make(optimizer)
    rates = []
    for number in range(len(metrics or range(STEPS - 1))):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([metrics[number]] if metrics else []))
    return rates + [optimizer.param_groups[0]["lr"]]

out["same as torch"] = {
    "cosine": [ours("cosine")[:STEPS], theirs(lambda o: torchs.CosineAnnealingLR(o, STEPS))],
    "poly": [ours("poly")[:STEPS], theirs(lambda o: torchs.PolynomialLR(o, STEPS, 0.9))],
    "step": [ours("step", step_size=7, gamma=0.3)[:STEPS], theirs(lambda o: torchs.StepLR(o, 7, 0.3))],
    "onecycle": [ours("onecycle")[:STEPS], theirs(lambda o: torchs.OneCycleLR(o, 0.5, STEPS, cycle_momentum=False))],
    "plateau": [
        ours("plateau", metrics=METRICS, gamma=0.5, patience=1),
        theirs(lambda o: torchs.ReduceLROnPlateau(o, "max", 0.5, 1, threshold=0), metrics=METRICS),
    ],
}
out["warm-up"] = ours("constant", warmup_steps=4)[:6]
out["warm-up, then cosine"] = [ours("cosine", warmup_steps=4)[4:], ours("cosine")]
out["warm-up of one step"] = ours("onecycle", warmup_steps=1)
out["beyond the end"] = {name: ours(name)[-1] for name in NAMES}
out["zero"] = [max(ours(n, lr=0.0, warmup_steps=w, metrics=METRICS)) for n in NAMES for w in (0, 3)]
out["short"] = [len(ours(name, metrics=METRICS[:2])) for name in NAMES]

def train(count, schedule, optimizer, weight):
    rates = []
    for number in range(count):
        weight.grad = torch.full_like(weight, 0.1 * (number + 1))
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.after_step()
        if number % 2:
            schedule.after_epoch(0.5)
    return rates

def made(scheduler, optimizer="adamw", lr=0.5):
    weight = torch.nn.Parameter(torch.ones(2, 2))
    o = optim.optimizer(optimizer, {"all": [weight]}, lr=lr, weight_decay=0.1)
    return optim.schedule(scheduler, o, steps=20, warmup_steps=3, step_size=5, patience=1), o, weight

out["resumed"] = {}
for scheduler in NAMES:
    whole, (schedule, optimizer, weight) = made(scheduler), made(scheduler)
    expected = train(10, *whole) + train(6, *whole)
    found = train(10, schedule, optimizer, weight)
    again, optimizer2, weight2 = made(scheduler)
    optimizer2.load_state_dict(optimizer.state_dict())
    again.load_state_dict(schedule.state_dict())
    weight2.data.copy_(weight.data)
    found += train(6, again, optimizer2, weight2)
    out["resumed"][scheduler] = found == expected and bool((weight2 == whole[2]).all())
half, optimizer, _ = made("constant", lr=0.25)
optimizer.load_state_dict(made("constant")[1].state_dict())
half.load_state_dict({"done": 5, "plateau": None})
out["another lr"] = half.lr

net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
net[2].bias.requires_grad_(False)
groups = {"encoder": net[:2].parameters(), "head": net[2].parameters(), "tied": [net[0].weight], "none": []}
adamw = optim.optimizer("adamw", groups, lr=0.1, weight_decay=0.02)
out["groups"] = {g["name"]: [g["weight_decay"], [list(p.shape) for p in g["params"]]] for g in adamw.param_groups}
out["moves"] = {}
for name in optim.OPTIMIZERS:
    weight, bias = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    optimizer = optim.optimizer(name, {"all": [weight, bias]}, lr=0.1, weight_decay=0.5)
    weight.grad, bias.grad = torch.zeros(2, 2), torch.zeros(2)
    optimizer.step()
    out["moves"][name] = [bool((weight < 1).all()), bool((bias == 1).all())]

def told(job):
    try:
        job()
    except UsageError as error:
        return str(error)

out["errors"] = [
    told(lambda: optim.optimizer("adan", groups, lr=0.1, weight_decay=0)),
    told(lambda: optim.schedule("cosin", adamw, steps=3)),
    told(lambda: optim.optimizer("sgd", {"a": [net[2].bias]}, lr=0.1, weight_decay=0)),
]

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
average = averaging.ema(net, 0.9)
plain, differences, counts = None, [], []
for update in range(120):
    net(torch.randn(8, 3))
    with torch.no_grad():
        net[0].weight.add_(torch.randn(2, 3))
    average.update_parameters(net)
    now = {n: t.clone().double() for n, t in net.state_dict().items() if t.is_floating_point()}
    decay = min(0.9, (1 + update) / (10 + update))
    plain = now if plain is None else {n: decay * plain[n] + (1 - decay) * now[n] for n in now}
    held = average.module.state_dict()
    differences.append(max(float(((plain[n] - held[n]) / plain[n]).abs().max()) for n in plain))
    counts.append(int(held["1.num_batches_tracked"]))
again = averaging.ema(net, 0.9)
again.load_state_dict(average.state_dict())
for other in (average, again):
    other.update_parameters(net)
out["average"] = {
    "difference": max(differences),
    "counts": counts == list(range(1, 121)),
    "trainable": any(p.requires_grad for p in average.parameters()),
    "training": average.module.training,
    "resumed": all(bool((a == b).all()) for a, b in zip(average.state_dict().values(), again.state_dict().values())),
}
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Filled by the first test that asks, so that torch is loaded once."""
    return {}


@pytest.fixture
def found(seen: dict[str, Any], ml_python: Path) -> dict[str, Any]:
    """What IN_TORCH printed."""
    if not seen:
        done = subprocess.run(
            [ml_python, "-c", IN_TORCH],
            cwd=REPOSITORY,
            env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        seen |= json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("name", ["cosine", "poly", "step", "onecycle", "plateau"])
def test_a_schedule_gives_the_rates_that_torch_gives(found: dict[str, Any], name: str) -> None:
    ours, theirs = found["same as torch"][name]
    assert len(ours) > 10
    assert len(set(ours)) > 2
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_the_warm_up_rises_from_the_first_step_and_the_schedule_follows(found: dict[str, Any]) -> None:
    assert found["warm-up"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    after, whole = found["warm-up, then cosine"]
    assert (after[0], after[18], after[-1]) == pytest.approx((0.5, whole[20], 0.0))


def test_one_cycle_may_begin_at_its_top(found: dict[str, Any]) -> None:
    rates = found["warm-up of one step"]
    assert rates[0] == 0.5 and rates == sorted(rates, reverse=True) and rates[-1] == pytest.approx(2e-6)


def test_a_rate_stays_where_it_ended_and_zero_stays_zero(found: dict[str, Any]) -> None:
    assert found["beyond the end"] == pytest.approx(
        {"constant": 0.5, "cosine": 0, "poly": 0, "step": 0, "onecycle": 2e-6, "plateau": 0.5}
    )
    assert found["zero"] == [0.0] * 12
    assert found["short"] == [3] * 6


def test_a_resumed_schedule_goes_on_to_the_bit_with_the_rate_asked_for_now(found: dict[str, Any]) -> None:
    assert found["resumed"] == dict.fromkeys(found["resumed"], True)
    assert len(found["resumed"]) == 6
    assert found["another lr"] == 0.25


def test_biases_and_norms_do_not_decay_and_frozen_or_tied_weights_come_once(found: dict[str, Any]) -> None:
    assert found["groups"] == {
        "encoder": [0.02, [[4, 3, 3, 3]]],
        "encoder/no_decay": [0.0, [[4], [4], [4]]],
        "head": [0.02, [[2, 4]]],
    }
    assert found["moves"] == {name: [True, True] for name in ("adamw", "adam", "sgd", "rmsprop")}


def test_a_wrong_name_is_told_what_there_is(found: dict[str, Any]) -> None:
    assert found["errors"] == [
        "OPTIMIZER adan: is none of adamw, adam, sgd, rmsprop",
        "SCHEDULER cosin: is none of constant, plateau, cosine, poly, step, onecycle",
        "there is nothing to train: every parameter is frozen",
    ]


def test_the_average_is_that_of_a_plain_loop_and_counts_go_with_the_model(found: dict[str, Any]) -> None:
    average = found["average"]
    assert average.pop("difference") < 3e-5  # relative, float32 against float64; 7e-6 was measured
    assert average == {"counts": True, "trainable": False, "training": False, "resumed": True}
