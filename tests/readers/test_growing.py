"""A log that grows: what is read of it bit by bit is what a reading of the whole file finds."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl import readers
from cvl.readers import texts
from cvl.readers.base import Reading
from cvl.readers.growing import Memory
from cvl.readers.tfrecord import _masked

Row = tuple[int, float]


def cvl_jsonl(i: int, step: int, dice: random.Random) -> bytes:
    odd: list[object] = [None, "x", odd_float(dice), 7]
    value = dice.choice(odd) if dice.random() < 0.05 else dice.random()
    return (json.dumps({"step": step, "epoch": i // 9, "time": 1.5, "loss": value}) + "\n").encode()


def jsonl(i: int, step: int, dice: random.Random) -> bytes:
    row = {"loss": round(dice.random(), 3), "inner": {"a": "0.5"}} if dice.random() < 0.9 else {"lr": 1}
    return (json.dumps({"iter": step, **row}) + "\n").encode()


def csv(i: int, step: int, dice: random.Random) -> bytes:
    cell = dice.choice(["", "nan", "x", "1_0", '"3"', "-0"]) if dice.random() < 0.1 else repr(dice.random())
    note, more = "7" if dice.random() < 0.5 else "", ",9" if i % 20 == 7 else ""
    return f"{step},{i // 9},{cell},{note}{more}\n".encode()


def csv_epochs(i: int, step: int, dice: random.Random) -> bytes:
    return f"{i // 3},{dice.random()}\n".encode()


def jsonl_epochs(i: int, step: int, dice: random.Random) -> bytes:
    return f'{{"epoch": {i // 3}, "loss": {dice.random()}}}\n'.encode()


def jsonl_mixed(i: int, step: int, dice: random.Random) -> bytes:
    """After a first row without a step epochs are followed, and steps come in any order."""
    return f'{{"epoch": {i // 3}, "it": {step - i % 2 * 4}, "loss": {dice.random():.3f}}}\n'.encode()


def keras(i: int, step: int, dice: random.Random) -> bytes:
    return f"{step},{dice.random()},{dice.choice(['NA', '1', 'x'])}\n".encode()


def lightning(i: int, step: int, dice: random.Random) -> bytes:
    return f"{i // 9},{step},{dice.random()},\n,{step},,{dice.random()}\n".encode()


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


@dataclass(frozen=True)
class Format:
    reader: str
    file: str
    header: bytes
    row: Callable[[int, int, random.Random], bytes]  # takes a count, the step, dice


FORMATS = {
    "cvl_jsonl": Format("cvl_jsonl", "metrics.jsonl", b"", cvl_jsonl),
    "jsonl": Format("jsonl", "log.jsonl", b"", jsonl),
    "jsonl by epoch": Format("jsonl", "log.jsonl", b"", jsonl_epochs),
    "jsonl, steps later": Format("jsonl", "log.jsonl", b'{"epoch": 0, "loss": 1}\n', jsonl_mixed),
    "csv": Format("csv", "log.csv", b"step,epoch,loss,note\n0,0,1,\n", csv),
    "csv by epoch": Format("csv", "log.csv", b"epoch,loss\n0,1\n", csv_epochs),
    "keras": Format("keras", "training.log", b"epoch,accuracy,loss\n0,0,1\n", keras),
    "lightning": Format("lightning", "metrics.csv", b"epoch,step,train,val\n", lightning),
    "console": Format("console", "train.log", b"", console),
    "tensorboard": Format("tensorboard", "events.out.tfevents.1.host", b"", tensorboard),
}
FOLLOWED = ["jsonl", "jsonl by epoch", "csv", "csv by epoch", "console"]  # those that say what a resume made void
VOID = "as after a resume: what was logged from there on before is left out"
DOUBT = "of equal steps the last one counts"


def odd_float(dice: random.Random) -> float:
    return dice.choice([float("nan"), float("inf"), -0.0])


def written(name: str, rows: int, seed: int) -> bytes:
    """A log whose steps now and then go back: epochs with them as after a resume, but not where `seed` is odd."""
    dice, step, content = random.Random(seed), 0, FORMATS[name].header
    for i in range(rows):
        step = max(0, step - 5) if dice.random() < 0.05 else step + 1
        content += FORMATS[name].row(i if seed % 2 else step, step, dice)
    return content


def said(found: Reading, what: str) -> bool:
    return any(what in problem.message for problem in found.problems)


def plain(found: Reading) -> object:
    """Something that can be compared, NaN included."""
    series = {
        name: (s.file, list(s.step), list(map(str, s.epoch)), list(map(str, s.value)))
        for name, s in found.series.items()
    }
    return series, found.problems


def small(patch: pytest.MonkeyPatch) -> None:
    """Places to go on from every few rows; the first row must fit into a block."""
    for name, size in {"texts._BLOCK": 64, "tensorboard._BATCH": 2, "console._STOP": 2, "growing._MARK": 16}.items():
        patch.setattr(f"cvl.readers.{name}", size)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_every_look_finds_what_the_whole_file_says(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, cuts: Sequence[float]
) -> None:
    content, reader = written(name, 60, seed), readers.load(FORMATS[name].reader)
    folder = tmp_path_factory.mktemp("log")
    path = folder / FORMATS[name].file
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        memory = Memory()
        for cut in sorted(cuts):
            path.write_bytes(b"") if not path.exists() else None
            have = path.stat().st_size
            with path.open("ab") as file:
                file.write(content[have : max(have, int(cut * len(content)))])
            assert plain(memory.read(reader, folder, [path])) == plain(reader.read([path]))


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_a_resume_made_void_is_gone_at_the_look_that_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    small(monkeypatch)
    form, memory, dice = FORMATS[name], Memory(), random.Random(0)
    reader, path = readers.load(form.reader), tmp_path / form.file
    path.write_bytes(form.header)
    for first, last in ((1, 300), (300, 600), (450, 460), (460, 700)):
        with path.open("ab") as file:
            file.writelines(form.row(i, i, dice) for i in range(first, last))
        found = memory.read(reader, tmp_path, [path])
        loss = found.series["loss"]
        assert last - 30 < (loss.epoch[-1] * 3 if "epoch" in name else loss.step[-1]) < last
        assert said(found, VOID) == (first >= 450) and not said(found, DOUBT)
        assert plain(found) == plain(reader.read([path]))


def test_where_it_turns_out_that_nothing_was_void_all_is_there_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three resumes in a few rows are none; in many rows they are."""
    small(monkeypatch)
    reader, memory, path = readers.load("csv"), Memory(), tmp_path / "log.csv"
    path.write_text("step,epoch,loss\n", encoding="utf-8")
    found = []
    for first, last in ((0, 12), (8, 12), (8, 14), (8, 16), (16, 40)):
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{i},{i // 4},{first}\n" for i in range(first, last))
        found.append(memory.read(reader, tmp_path, [path]))
        assert plain(found[-1]) == plain(reader.read([path]))
    assert [said(each, DOUBT) for each in found] == [False, False, False, True, False]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_only_the_end_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, seed: int) -> None:
    small(monkeypatch)
    reader, path = readers.load(FORMATS[name].reader), tmp_path / FORMATS[name].file
    content = written(name, 400, seed)
    memory, starts = Memory(), []
    scanned = reader.scan([path]).__class__  # type: ignore[attr-defined]
    take = scanned.take
    monkeypatch.setattr(
        scanned, "take", lambda self, path, start: starts.append(start.offset) or take(self, path, start)
    )
    doubted, looked = False, []
    for share in (0.5, 0.9, 0.9, 0.95, 1):
        path.write_bytes(content[: int(share * len(content))])
        os.utime(path, ns=(0, int(1000 * share)))
        doubted |= said(memory.read(reader, tmp_path, [path]), DOUBT)
        looked.append(len(starts))
    assert looked[1] == looked[2]  # nothing is read of a file that did not change
    assert starts.count(0) == 1 + doubted
    assert starts[0] == 0 and min(filter(None, starts)) > len(content) * 0.3 and starts[-1] > len(content) * 0.7


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("change", ["shorter", "other", "replaced", "resumed"])
def test_a_file_that_was_not_only_appended_to_is_read_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: str
) -> None:
    small(monkeypatch)
    content, reader = written(name, 200, 2), readers.load(FORMATS[name].reader)
    path = tmp_path / FORMATS[name].file
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
    assert path.stat().st_size > 4 * texts._BLOCK


def test_a_version_that_continues_an_earlier_one_voids_its_end_also_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    reader, memory, paths = readers.load("lightning"), Memory(), []
    for version, first, last in ((0, 0, 100), (1, 50, 80), (1, 80, 90), (2, 70, 75)):
        path = tmp_path / f"version_{version}" / "metrics.csv"
        if path not in paths:
            path.parent.mkdir()
            path.write_text("epoch,step,loss\n", encoding="utf-8")
            paths.append(path)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{i // 9},{i},{version}\n" for i in range(first, last))
        found = memory.read(reader, tmp_path, list(paths))
        assert list(found.series["loss"].step) == list(range(last))
        assert plain(found) == plain(reader.read(paths))
