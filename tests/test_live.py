"""A run judged while it goes on, and what is said of it."""

from __future__ import annotations

import json
import math
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvl import live
from cvl.judge import Judgement, judge
from cvl.readers.base import Series
from cvl.rules import Context, Verification, parse

RULES = parse(
    {
        "metrics": {"loss": {"key": "train/loss"}, "map": {"key": "val/map", "better": "higher"}},
        "presets": {"train": [{"finite": ["loss"]}, {"trend": {"metric": "loss", "ratio_max": 0.5}}]},
    }
)


class Run:
    """A folder with a growing log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.looked = folder, 0, 0

    def log(self, *losses: float) -> None:
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            for loss in losses:
                self.rows += 1
                file.write(json.dumps({"step": 10 * self.rows, "epoch": self.rows, "train/loss": loss}) + "\n")

    def judge(self) -> Judgement:
        self.looked += 1
        return judge(RULES, "train", Context(self.folder), ended=False)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def series(*values: float, epochs: bool = True) -> Series:
    steps = array("q", range(1, len(values) + 1))
    return Series("x", "f", steps, array("d", (s if epochs else math.nan for s in steps)), array("d", values))


def test_a_folder_is_read_again_when_it_has_changed(run: Run) -> None:
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 2:
            run.log(3)
        return len(pauses) == 4

    found = list(live.looks(run.folder, run.judge, wait))
    assert (len(found), run.looked) == (4, 2)
    assert found[0] is found[1] is not found[2] is found[3]
    assert min(pauses) >= 1


def test_after_a_long_look_the_pause_is_no_longer_than_a_stop_may_take(run: Run) -> None:
    pauses: list[float] = []

    def judge() -> Judgement:
        time.sleep(0.8)
        return run.judge()

    assert len(list(live.looks(run.folder, judge, lambda seconds: not pauses.append(seconds)))) == 1
    assert pauses == [3]


def test_the_job_is_stopped_at_the_first_bad_record(run: Run) -> None:
    said: list[str] = []
    shown: list[str] = []
    watch = live.Watch(run.folder, run.judge, abort=True, show=shown.append, say=said.append)
    run.log(3, 2, math.nan)
    stopped = threading.Event()
    with watch.beside(stopped.set):
        assert stopped.wait(30)
    assert said == ["stopping the job: finite loss: nan in metrics.jsonl step 30 (epoch 3)"]
    assert watch.stopped_by and watch.stopped_by.rule == "finite"
    assert shown == ["epoch 3  step 30  loss nan █▁!"]


def test_a_failure_that_was_there_before_the_start_does_not_stop_the_job(run: Run) -> None:
    run.log(3, math.nan)
    watch = live.Watch(run.folder, run.judge, abort=True, show=None, say=pytest.fail)
    looked = run.looked
    with watch.beside(lambda: pytest.fail("stopped")):
        while run.looked == looked:
            pass
    assert watch.stopped_by is None


def test_a_look_that_fails_costs_the_watch_and_not_the_job(run: Run) -> None:
    said: list[str] = []
    over = threading.Event()

    def breaks() -> Judgement:
        raise ValueError("broken")

    def say(text: str) -> None:
        said.append(text)
        over.set()

    with live.Watch(run.folder, breaks, abort=False, show=said.append, say=say).beside(lambda: None):
        assert over.wait(30)
    assert said == [f"cannot go on watching {run.folder}: ValueError('broken')"]


def test_following_says_each_epoch_until_the_run_has_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    losses = iter([(3.0,), (), (2.0,), (1.0, 0.5)])
    monkeypatch.setattr(live.time, "sleep", lambda _: run.log(*next(losses)))
    answers: Iterator[bool] = iter([True] * 4 + [False])
    assert live.follow(run.folder, run.judge, lambda: next(answers), said.append)
    assert said == [
        f"waiting for a log in {run.folder}",
        "epoch 1  step 10  loss 3 ▁",
        "epoch 2  step 20  loss 2 █▁",
        "epoch 4  step 40  loss 0.5 █▅▂▁",
    ]


def test_following_ends_with_a_failure_that_stands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.time, "sleep", lambda _: run.log(math.nan))
    assert not live.follow(run.folder, run.judge, lambda: True, lambda _: None)
    assert run.rows == 1


def test_a_long_epoch_is_heard_of_now_and_then(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(live.time, "monotonic", lambda: next(clock))
    rows = iter(range(12))

    def sleep(_: float) -> None:
        with (run.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": next(rows), "epoch": 1, "train/loss": 1.0}) + "\n")

    monkeypatch.setattr(live.time, "sleep", sleep)
    answers = iter([True] * 12 + [False])
    live.follow(run.folder, run.judge, lambda: next(answers), said.append)
    assert said == [
        f"waiting for a log in {run.folder}",
        "epoch 1  step 0  loss 1 ▁",
        "epoch 1  step 3  loss 1 ▁▁▁▁",
        "epoch 1  step 6  loss 1 ▁▁▁▁▁▁▁",
        *said[4:],
    ]
    assert 3 <= len(said) <= 5


def test_a_log_of_nobodys_making(tmp_path: Path) -> None:
    rows = [{"step": i, "train/loss": 1 / i, "val/map\x1b[31m": 0.1} for i in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert live.status(judge(Verification(), "", Context(tmp_path))) == "step 2  train/loss 0.5 █▁"
    hostile = Judgement(
        tmp_path, (), judge(Verification(), "", Context(tmp_path)).outcome, curves={"a\x1b[31m": series(1)}
    )
    assert live.status(hostile) == "epoch 1  a\N{REPLACEMENT CHARACTER}[31m 1 ▁"


@pytest.mark.parametrize(
    ("epoch", "said"), [(2, "epoch 2  step 7"), (7, "epoch 7"), (math.inf, "step 7"), (-1e300, "epoch -1")]
)
def test_how_far_a_run_is(tmp_path: Path, epoch: float, said: str) -> None:
    row = {"step": 7, "epoch": epoch, "train/loss": 1}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert live.status(judge(Verification(), "", Context(tmp_path))).startswith(said)


def test_nothing_is_said_of_a_folder_without_a_log(tmp_path: Path) -> None:
    assert live.status(judge(Verification(), "", Context(tmp_path))) == ""


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([1], "▁"),
        ([1, 1, 1], "▁▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([math.nan, 1, math.inf], "!▁!"),
        ([math.nan], "!"),
        (list(range(160)), "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██"),
        ([1e308, -1e308], "█▁"),
    ],
)
def test_sparklines(values: list[float], drawn: str) -> None:
    assert live.sparkline(series(*values)) == drawn
