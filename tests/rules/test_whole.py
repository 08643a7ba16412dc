"""Rules on a whole run: what it cost, and whether the weights of a group moved."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cvl.rules import Context, Status
from tests.rules.made import HERE, verdict

ON_GPU = Context(HERE, hardware=("NVIDIA H100 80GB HBM3, 81559 MiB, 550.54", "AMD EPYC 9354"), seconds=600.0)


@pytest.mark.parametrize(
    ("rule", "curves", "status", "shown"),
    [
        ("throughput: {min: 100, hardware: H100}", {"perf__images_per_s": [10, 120, 110]}, "pass", "110 images/s"),
        ("throughput: {min: 115, hardware: H100}", {"perf__images_per_s": [10, 120, 110]}, "fail", "110 images/s"),
        ("throughput: {max: 99, hardware: h100}", {"perf__images_per_s": [110, math.nan]}, "fail", "110 images/s"),
        ("throughput: {min: 1, hardware: H100}", {"perf__images_per_s": [math.nan]}, "fail", "no finite value"),
        ("throughput: {min: 1, hardware: H100}", {"perf__images_per": [1]}, "fail", "missing"),
        ("vram_gb: {max: 12, hardware: H100}", {"perf__vram_gb": [8, 12, 9]}, "pass", "12 GiB"),
        ("vram_gb: {max: 11, hardware: EPYC}", {"perf__vram_gb": [8, 12, 9]}, "fail", "12 GiB"),
        ("wall_clock_s: {max: 600, hardware: H100}", {}, "pass", "600 s"),
        ("wall_clock_s: {min: 601, max: 900, hardware: H100}", {}, "fail", "600 s"),
    ],
)
def test_costs(rule: str, curves: dict[str, list[float]], status: str, shown: str) -> None:
    found = verdict(f"- {rule}", context=ON_GPU, **curves)
    assert (found.status.value, found.found) == (status, shown)


@pytest.mark.parametrize("rule", ["throughput", "vram_gb", "wall_clock_s"])
def test_costs_are_judged_on_the_named_hardware_alone(rule: str) -> None:
    found = verdict(f"- {rule}: {{max: 1, hardware: A100}}", context=ON_GPU)
    assert found.status is Status.NOT_RUN
    assert found.reason == "for A100, this run had NVIDIA H100 80GB HBM3, 81559 MiB, 550.54; AMD EPYC 9354"
    found = verdict(f"- {rule}: {{max: 1, hardware: A100}}")
    assert found.reason == "for A100, and no record says what this run had"


def test_costs_are_calibrated_bounds() -> None:
    run = replace(ON_GPU, changed={"BATCH_SIZE": "BATCH_SIZE is 2, not 16"})
    found = verdict("- wall_clock_s: {max: 1, hardware: H100}", context=run)
    assert (found.status, found.reason, found.found) == (Status.NOT_COMPARABLE, "BATCH_SIZE is 2, not 16", "600 s")


@pytest.mark.parametrize(
    ("changed", "value", "status", "cause"),
    [
        (True, 1e-12, Status.PASS, ""),
        (True, 0.0, Status.FAIL, "learning rate 0"),
        (True, math.nan, Status.FAIL, "not finite"),
        (False, 0.0, Status.PASS, ""),
        (False, 1e-12, Status.FAIL, "meant to be frozen"),
        (False, math.nan, Status.FAIL, "not finite"),
    ],
)
def test_weights_change_or_not(changed: bool, value: float, status: Status, cause: str) -> None:
    rule = f"- params: {{group: backbone, changed: {str(changed).lower()}}}"
    found = verdict(rule, params__backbone__change=[0.5, value])
    assert found.status is status
    assert cause in found.hint
    assert found.wanted == ("backbone changed" if changed else "backbone unchanged")
    assert found.metric == "backbone"


@pytest.mark.parametrize(("count", "status"), [(1024, Status.PASS), (1025, Status.FAIL)])
def test_trainable_weights_are_counted(count: int, status: Status) -> None:
    rule = f"- params: {{group: lora, changed: true, trainable: {count}}}"
    found = verdict(rule, params__lora__change=[0.1], params__lora__trainable=[1024])
    assert found.status is status
    assert found.wanted.endswith(f"{count:,} of lora trainable")


def test_conditions_and_severity_hold_for_them_too() -> None:
    rule = "- params: {group: head, changed: true}\n  when: {FREEZE: 0}\n  severity: warn"
    run = Context(HERE, parameters={"FREEZE": 10})
    assert verdict(rule, params__head__change=[0.0], context=run).status is Status.NOT_RUN
    run = Context(HERE, parameters={"FREEZE": 0})
    assert verdict(rule, params__head__change=[0.0], context=run).status is Status.WARN


def test_a_group_that_was_never_logged_fails_with_those_that_were() -> None:
    found = verdict("- params: {group: backbon, changed: true}", params__backbone__change=[0.1])
    assert (found.status, found.found) == (Status.FAIL, "missing")
    assert "the nearest is params/backbone/change" in found.reason
