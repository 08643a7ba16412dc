"""Why jobs fail: real texts of real libraries, each with its cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cvl.postmortem import KNOWN, UNKNOWN, explain, words

TEXTS = Path(__file__).parent / "postmortem"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((TEXTS / "expected.yaml").read_text(encoding="utf-8"))


def test_every_text_is_expected_and_every_cause_has_one() -> None:
    assert {path.stem for path in TEXTS.glob("*.txt")} == set(EXPECTED)
    assert {entry["cause"] for entry in EXPECTED.values()} == {*KNOWN, UNKNOWN}
    assert len(EXPECTED) >= 44


@pytest.mark.parametrize("name", EXPECTED)
def test_the_cause_of_a_text(name: str) -> None:
    entry = EXPECTED[name]
    found = explain(entry["exit_code"], tail=(TEXTS / f"{name}.txt").read_bytes())
    assert found.cause == entry["cause"], found
    assert found.what and found.fix and found.evidence


@pytest.mark.parametrize("name", EXPECTED)
def test_any_end_of_a_text_has_a_cause(name: str) -> None:
    text = (TEXTS / f"{name}.txt").read_bytes()
    for start in range(0, len(text), 211):
        assert explain(1, tail=text[start:]).what


@pytest.mark.parametrize(
    ("code", "cause"),
    [(1, "unknown"), (137, "host_memory"), (135, "shared_memory"), (139, "crash"), (132, "crash"), (143, "unknown")],
)
def test_a_job_without_a_word(code: int, cause: str) -> None:
    assert explain(code).cause == cause


def test_the_engine_knows_better_than_the_log() -> None:
    tail = b"Traceback (most recent call last):\nRuntimeError: DataLoader worker (pid(s) 7) exited unexpectedly\n"
    assert explain(1, tail=tail).cause == "unknown"
    found = explain(1, oom_killed=True, tail=tail)
    assert (found.cause, found.what) == ("host_memory", "the kernel ended the job: its memory is full")
    assert "nearly always" in explain(137, oom_killed=False, tail=tail).what


def test_a_retry_before_the_traceback_is_not_its_cause() -> None:
    tail = b"""Max retries exceeded with url: /resnet18.pth, trying again
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    raise FileNotFoundError
KeyError: 'box'
"""
    assert explain(1, tail=tail).cause == "unknown"
    assert explain(1, tail=tail.replace(b"KeyError: 'box'", b"PermissionError: no")).cause == "permission"


def test_a_launcher_only_reports_what_its_child_said() -> None:
    tail = b"""[rank1]: Traceback (most recent call last):
[rank1]:     loss.backward()
[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 MiB.
Traceback (most recent call last):
  File "/usr/local/bin/torchrun", line 8, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
============================================================
"""
    found = explain(1, tail=tail)
    assert found.cause == "gpu_memory"
    assert found.evidence[0].startswith("[rank1]: torch.OutOfMemoryError")


def test_our_own_jobs_say_it_themselves() -> None:
    found = explain(2, tail=b"run folder: /x\nerror: no picture in /data\nlook there\nhint: --data DIR\n")
    assert (found.cause, found.what, found.fix) == ("said", "no picture in /data", "--data DIR")
    assert explain(1, tail=b"error: CUDA out of memory. Tried\nhint: halve\n").cause == "gpu_memory"
    assert explain(1, tail=b"error: first\nTraceback (most recent call last):\nKeyError: 1\n").cause == "unknown"


def test_unknown_shows_the_end_of_the_log_fit_for_a_terminal() -> None:
    tail = (
        b"\xff"
        + b"\n".join(b"line %d" % i for i in range(40))
        + b"\r 50%\r100%\x1b[31m red\x1b[0m\x1b]0;title\x07\x00\n"
    )
    found = explain(7, tail=tail)
    assert (found.cause, len(found.evidence)) == ("unknown", 12)
    assert found.evidence[-2:] == ("50%", "100% red")
    assert all(line.isprintable() for line in found.evidence)
    assert len(explain(1, tail=b"x" * 10_000).evidence[0]) == 301


def test_a_cause_in_words() -> None:
    kept = {"cause": "disk_full", "what": "the disk is full", "fix": "make room", "evidence": ["[Errno 28]"]}
    assert words(kept) == "cause: the disk is full (disk_full)\n  [Errno 28]\nfix: make room"
    assert (
        words({**kept, "cause": "unknown", "fix": "", "evidence": ["\x1b[31m"]}) == "cause: the disk is full\n   [31m"
    )
    assert words({"x": 1}) == "cause:  ()"
