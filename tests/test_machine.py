"""Facts about this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvl import machine


def test_a_process_runs_while_it_does() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert machine.process_runs(os.getpid())
    assert not machine.process_runs(ended.pid)


def test_a_number_that_is_no_process_does_not_run() -> None:
    assert not any(machine.process_runs(pid) for pid in (0, -1, 10**30))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """An example with code in a folder, in a repository that ignores what a job leaves."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("*.cache\nfetched/\n")
    folder = tmp_path / "examples" / "toy"
    write(folder, "train.py", "models/unet.py", "models/parts/block.py")
    return folder


def write(folder: Path, *names: str, text: str = "x = 1") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("name", ["train.py", "models/unet.py", "models/parts/block.py", "models/new.py", "new/a.py"])
def test_the_content_is_that_of_all_folders_of_an_example(example: Path, name: str) -> None:
    before = machine.content_hash(example)
    write(example, name, text="x = 2")
    assert machine.content_hash(example) != before


def test_a_file_that_moves_is_another_content(example: Path) -> None:
    before = machine.content_hash(example)
    (example / "models" / "unet.py").rename(example / "unet.py")
    assert machine.content_hash(example) != before


@pytest.mark.parametrize(
    "name",
    [
        "outputs/train-1/run.json", "evidence/train-cpu.json", "__pycache__/train.pyc", "models/__pycache__/unet.pyc",
        ".env", ".venv/lib/a.py", "models/.ruff_cache/a", "labels.cache", "models/labels.cache", "fetched/a.py",
        "models/fetched/b.py",
    ],
)  # fmt: skip
def test_what_runs_tools_and_git_leave_out_is_no_content(example: Path, name: str) -> None:
    before = machine.content_hash(example)
    write(example, name)
    assert machine.content_hash(example) == before


def test_outside_git_the_content_is_the_same_but_for_what_only_git_ignores(example: Path) -> None:
    before = machine.content_hash(example)
    (example.parents[1] / ".git").rename(example.parents[1] / "no-git")
    assert machine.content_hash(example) == before
    write(example, "outputs/a", "models/__pycache__/a")
    assert machine.content_hash(example) == before
    write(example, "labels.cache")
    assert machine.content_hash(example) != before


def test_of_a_large_file_the_size_counts(example: Path) -> None:
    large = example / "weights.pt"
    with large.open("wb") as file:
        file.truncate(1 << 40)
    before = machine.content_hash(example)
    with large.open("r+b") as file:
        file.write(b"other")
    assert machine.content_hash(example) == before
    with large.open("r+b") as file:
        file.truncate(1 << 30)
    assert machine.content_hash(example) != before
