"""A log that grows: what is read of it bit by bit is what a reading of the whole file finds."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl import readers
from cvl.readers import base
from cvl.readers.base import Reading
from cvl.readers.growing import Memory
from cvl.readers.tfrecord import _masked

Row = tuple[int, float]


def cvl_jsonl(i: int, step: int, dice: random.Random) -> bytes:
    odd: list[object] = [None, "x", odd_float(dice), 7]
    value = dice.choice(odd) if dice.random() < 0.05 else dice.random()
    return (json.dumps({"step": step, "epoch": i // 9, "time": 1.5, "loss": value}) + "\n").encode()


def jsonl(i: int, step: int, dice: random.Random) -> bytes:
    row = {"loss": dice.random(), "inner": {"a": str(dice.random())}} if dice.random() < 0.9 else {"lr": 1}
    return (json.dumps({"iter": step, **row}) + "\n").encode()


def csv(i: int, step: int, dice: random.Random) -> bytes:
    if i == 0:
        return b"step,epoch,loss,note\n0,0,1,\n"
    cell = dice.choice(["", "nan", "x", "1_0", '"3"', "-0"]) if dice.random() < 0.1 else repr(dice.random())
    note, more = "7" if dice.random() < 0.5 else "", ",9" if i % 20 == 7 else ""
    return f"{step},{i // 9},{cell},{note}{more}\n".encode()


def console(i: int, step: int, dice: random.Random) -> bytes:
    end = dice.choice(["\n", "\r\n", "\r", "\n"])
    words = dice.choice(["loss: {:.4f}", "Test: acc: {:.3f}", "ü {:.2f}", "lr={:.1e}"]).format(dice.random())
    return f"Epoch: [{i // 9}][{step % 9}/9] {words}{end}".encode()


def tensorboard(i: int, step: int, dice: random.Random) -> bytes:
    tag = dice.choice(["loss", "epoch", "lr"]).encode()
    value = struct.pack("<f", dice.random())
    summary = b"\x0a" + bytes((len(tag) + 7, 0x0A, len(tag))) + tag + b"\x15" + value
    data = b"\x09" + struct.pack("<d", 1e9 + i) + b"\x10" + bytes((step & 127,))
    data += b"\x2a" + bytes((len(summary),)) + summary
    if dice.random() < 0.02:
        data = b"\x09" + bytes(8) + b"\x10" + bytes((step & 127,)) + b"\x3a\x02\x08\x01"  # a session starts
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


FORMATS: dict[str, tuple[str, Callable[[int, int, random.Random], bytes]]] = {
    "cvl_jsonl": ("metrics.jsonl", cvl_jsonl),
    "jsonl": ("log.jsonl", jsonl),
    "csv": ("log.csv", csv),
    "console": ("train.log", console),
    "tensorboard": ("events.out.tfevents.1.host", tensorboard),
}


def odd_float(dice: random.Random) -> float:
    return dice.choice([float("nan"), float("inf"), -0.0])


def written(name: str, rows: int, seed: int) -> bytes:
    """A log whose steps now and then go back."""
    dice, step, content = random.Random(seed), 0, b""
    for i in range(rows):
        step = max(0, step - 5) if dice.random() < 0.05 else step + 1
        content += FORMATS[name][1](i, step, dice)
    return content


def plain(found: Reading) -> object:
    """Something that can be compared, NaN included."""
    series = {
        name: (s.file, list(s.step), list(map(str, s.epoch)), list(map(str, s.value)))
        for name, s in found.series.items()
    }
    return series, found.problems


def small(patch: pytest.MonkeyPatch) -> None:
    """Places to go on from every few rows."""
    for name, size in {"base._BLOCK": 64, "tensorboard._BATCH": 2, "console._STOP": 2, "growing._MARK": 16}.items():
        patch.setattr(f"cvl.readers.{name}", size)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_every_look_finds_what_the_whole_file_says(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, cuts: Sequence[float]
) -> None:
    content, reader = written(name, 60, seed), readers.load(name)
    folder = tmp_path_factory.mktemp("log")
    path = folder / FORMATS[name][0]
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        memory = Memory()
        for cut in sorted(cuts):
            path.write_bytes(b"") if not path.exists() else None
            have = path.stat().st_size
            with path.open("ab") as file:
                file.write(content[have : max(have, int(cut * len(content)))])
            assert plain(memory.read(reader, folder, [path])) == plain(reader.read([path]))


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_end_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    small(monkeypatch)
    content, reader, path = written(name, 400, 1), readers.load(name), tmp_path / FORMATS[name][0]
    memory, starts = Memory(), []
    scanned = reader.scan([path]).__class__  # type: ignore[attr-defined]
    take = scanned.take
    monkeypatch.setattr(
        scanned, "take", lambda self, path, start: starts.append(start.offset) or take(self, path, start)
    )
    for share in (0.5, 0.9, 0.9, 0.95, 1):
        path.write_bytes(content[: int(share * len(content))])
        os.utime(path, ns=(0, int(1000 * share)))
        memory.read(reader, tmp_path, [path])
    assert len(starts) == 4  # nothing is read of a file that did not change
    assert (
        starts[0] == 0 and all(len(content) * 0.3 < start for start in starts[1:]) and starts[-1] > len(content) * 0.7
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("change", ["shorter", "other", "replaced", "resumed"])
def test_a_file_that_was_not_only_appended_to_is_read_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: str
) -> None:
    small(monkeypatch)
    content, reader, path = written(name, 200, 2), readers.load(name), tmp_path / FORMATS[name][0]
    other, memory = written(name, 300, 3), Memory()
    path.write_bytes(content)
    first = memory.read(reader, tmp_path, [path])
    if change == "replaced":
        (tmp_path / "new").write_bytes(other)
        os.replace(tmp_path / "new", path)
    else:
        path.write_bytes({"shorter": content[:300], "other": other, "resumed": content[:-500] + other}[change])
    found = memory.read(reader, tmp_path, [path])
    assert plain(found) == plain(reader.read([path])) != plain(first)


def test_of_several_files_the_one_that_grows_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    reader, memory = readers.load("csv"), Memory()
    train, val = tmp_path / "a.csv", tmp_path / "b.csv"
    head, rows = "step,epoch,loss\n", [f"{i},{i // 5},{i}.5\n" for i in range(200)]
    val.write_text("step,epoch,map\n" + "".join(rows), encoding="utf-8")
    for n in (20, 50, 51, 120, 200):
        train.write_text(head + "".join(rows[:n]), encoding="utf-8")
        if n == 120:
            val.write_text("step,epoch,map\n" + "".join(rows) + "500,9,1\n", encoding="utf-8")
        assert plain(memory.read(reader, tmp_path, [train, val])) == plain(reader.read([train, val]))


def test_a_file_that_vanished_is_a_problem_and_not_remembered(tmp_path: Path) -> None:
    reader, memory, path = readers.load("csv"), Memory(), tmp_path / "log.csv"
    path.write_text("step,a\n1,2\n", encoding="utf-8")
    assert list(memory.read(reader, tmp_path, [path]).series) == ["a"]
    path.unlink()
    assert memory.read(reader, tmp_path, [path]).series == {}


def test_what_is_read_live_is_what_a_later_reading_finds(tmp_path: Path) -> None:
    path, memory = tmp_path / "metrics.jsonl", Memory()
    for n in range(0, 16_000, 4_000):
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"step": i, "loss": i / 7}) + "\n" for i in range(n, n + 4_000))
        live = readers.read(tmp_path, memory)
        assert {name: plain(found) for name, found in live.items()} == {
            name: plain(found) for name, found in readers.read(tmp_path).items()
        }
    assert path.stat().st_size > 4 * base._BLOCK
