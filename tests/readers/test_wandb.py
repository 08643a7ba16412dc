"""Run files of W&B made by hand: records over several blocks, spoilt ones, folders of several runs."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from cvl import readers
from cvl.readers import wandb
from cvl.readers.base import Reading

BLOCK = 32768
REAL = Path(__file__).parent / "data" / "wandb"


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    return varint_head(number >> 7, number & 127) if number > 127 else bytes((number,))


def varint_head(rest: int, low: int) -> bytes:
    return bytes((low | 128,)) + varint(rest)


def row(**values: object) -> bytes:
    """A record of history; names with `__` are nested keys."""
    items = b""
    for name, value in values.items():
        keys = b"".join(field(2, key.encode()) for key in name.split("__"))
        items += field(1, keys + field(16, json.dumps(value).encode()))
    return field(2, items)


def part(kind: int, data: bytes) -> bytes:
    return struct.pack("<IHB", zlib.crc32(data, zlib.crc32(bytes((kind,)))), len(data), kind) + data


def log(*records: bytes) -> bytes:
    out = b":W&B\xe1\xbe\x00"
    for record in records:
        first = True
        while first or record:
            room = BLOCK - len(out) % BLOCK - 7
            if room < 0:
                out += bytes(room + 7)
                continue
            piece, record = record[:room], record[room:]
            out += part({(1, 0): 1, (1, 1): 2, (0, 1): 3, (0, 0): 4}[first, bool(record)], piece)
            first = False
    return out


def read(folder: Path, content: bytes) -> Reading:
    (folder / "run-a.wandb").write_bytes(content)
    return wandb.read(wandb.find(folder))


def points(reading: Reading) -> dict[str, list[tuple[int, str]]]:
    return {name: list(zip(s.step, map(str, s.value), strict=True)) for name, s in reading.series.items()}


def messages(reading: Reading) -> list[str]:
    return [problem.message for problem in reading.problems]


@pytest.mark.parametrize("size", [*range(BLOCK - 60, BLOCK - 25), 3 * BLOCK])
def test_records_at_and_over_the_end_of_a_block(tmp_path: Path, size: int) -> None:
    found = read(tmp_path, log(row(_step=0, m=1.5), field(3, bytes(size)), row(_step=1, m=2.5)))
    assert points(found) == {"m": [(0, "1.5"), (1, "2.5")]}
    assert messages(found) == []


def test_what_is_a_metric(tmp_path: Path) -> None:
    values = {
        "_step": 3,
        "epoch": 2,
        "_runtime": 1.5,
        "_wandb__x": 1,
        "m": -1e-3,
        "a__b": 7,
        "flag": True,
        "none": None,
    }
    values |= {
        "text": "0.5",
        "list": [1],
        "picture___type": "image-file",
        "picture__size": 9,
        "picture2": 1,
        "x" * 200: 4,
    }
    found = read(tmp_path, log(row(**values)))
    expected = {"m": "-0.001", "a/b": "7.0", "picture2": "1.0", "x" * 200: "4.0"}
    assert points(found) == {name: [(3, value)] for name, value in expected.items()}
    assert {epoch for series in found.series.values() for epoch in series.epoch} == {2.0}
    assert messages(found) == []


@pytest.mark.parametrize("step", [None, "1", 1.5, 1e300, True, float("nan")])
def test_a_row_without_a_step_is_left_out(tmp_path: Path, step: object) -> None:
    found = read(tmp_path, log(row(_step=1, m=1), row(_step=step, m=2)))
    assert points(found) == {"m": [(1, "1.0")]}
    assert messages(found) == ["records without a whole number `_step`, left out"]


def test_a_flipped_bit_costs_its_block_only(tmp_path: Path) -> None:
    whole = bytearray(log(row(_step=0, m=1), row(_step=1, m=2), field(3, bytes(BLOCK)), row(_step=2, m=3)))
    whole[len(log(row(_step=0, m=1))) + 12] ^= 1
    found = read(tmp_path, bytes(whole))
    assert points(found) == {"m": [(0, "1.0"), (2, "3.0")]}
    assert messages(found) == ["records with a wrong checksum, left out"]


@pytest.mark.parametrize("record", [b"\xff" * 20, field(2, b"\xff" * 20), b"\x12\x7f"])
def test_records_that_cannot_be_understood(tmp_path: Path, record: bytes) -> None:
    found = read(tmp_path, log(row(_step=0, m=1), record, row(_step=1, m=2)))
    assert points(found) == {"m": [(0, "1.0"), (1, "2.0")]}
    assert messages(found) == ["records that cannot be understood, left out"]


def test_items_that_are_no_metrics_harm_nothing(tmp_path: Path) -> None:
    items = [b"", b"\x82\x01", b"\x82\x01\x05", field(2, b"m"), b"\xff\x82\x01\x011", field(2, b"_") + b"\x82\x01\x011"]
    odd = field(2, b"".join(field(1, item) for item in items) + field(1, field(2, b"_step") + field(16, b"1")))
    found = read(tmp_path, log(odd, row(_step=2, m=1)))
    assert points(found) == {"m": [(2, "1.0")]}


def test_zeros_behind_the_last_record_are_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, log(row(_step=0, m=1)) + bytes(100))
    assert points(found) == {"m": [(0, "1.0")]}
    assert messages(found) == []


def test_a_record_that_never_ends_is_torn(tmp_path: Path) -> None:
    found = read(tmp_path, log(row(_step=0, m=1)) + part(2, b"x"))
    assert messages(found) == ["torn record at the end"]
    assert messages(wandb.read([tmp_path / "gone"])) == ["cannot be read: No such file or directory"]


def test_the_newest_run_online_or_offline(tmp_path: Path) -> None:
    names = ("offline-run-20240102_000000-b", "run-20240103_000000-c", "run-20240101_000000-a")
    for i, name in enumerate(names):
        (tmp_path / "wandb" / name).mkdir(parents=True)
        path = tmp_path / "wandb" / name / f"run-{name[-1]}.wandb"
        path.write_bytes(log(row(_step=i, m=i)))
        os.utime(path, (0, 0))
    (tmp_path / "wandb/latest-run").symlink_to(tmp_path / "wandb" / names[0])
    for folder in (tmp_path, tmp_path / "wandb", tmp_path / "wandb" / names[1]):
        assert points(readers.read(folder)["wandb"]) == {"m": [(1, "1.0")]}
    (tmp_path / "wandb" / names[1] / "run-c.wandb").write_bytes(b"another thing")
    assert points(readers.read(tmp_path)["wandb"]) == {"m": [(0, "0.0")]}


def resumed(folder: Path, *logs: bytes, prefixes: tuple[str, ...] = ("offline-",)) -> Reading:
    """One run, started again for each of `logs`."""
    for i, content in enumerate(logs):
        for prefix in prefixes:
            place = folder / "wandb" / f"{prefix}run-2024010{i}_000000-a"
            place.mkdir(parents=True)
            (place / "run-a.wandb").write_bytes(content)
    return readers.read(folder)["wandb"]


def test_a_resume_makes_what_was_logged_from_its_first_step_on_void(tmp_path: Path) -> None:
    found = resumed(
        tmp_path, log(*(row(_step=i, m=i) for i in range(1, 6))), log(row(_step=3, m=30), row(_step=4, m=40))
    )
    assert points(found) == {"m": [(1, "1.0"), (2, "2.0"), (3, "30.0"), (4, "40.0")]}
    assert messages(found) == []


def test_a_resume_that_counts_from_0_again_is_said(tmp_path: Path) -> None:
    found = resumed(tmp_path, log(*(row(_step=i, m=i) for i in range(5))), log(row(_step=0, m=30), row(_step=1, m=40)))
    assert points(found) == {"m": [(0, "30.0"), (1, "40.0")]}
    assert messages(found) == [
        "its steps begin again at 0, as a resume without the server does: what earlier files logged is left out"
    ]


def test_a_run_that_lies_there_twice_is_read_once(tmp_path: Path) -> None:
    found = resumed(tmp_path, log(row(_step=0, m=1)), prefixes=("", "offline-"))
    assert points(found) == {"m": [(0, "1.0")]}
    assert messages(found) == []


def test_a_synchronised_folder_is_read_as_the_offline_one(tmp_path: Path) -> None:
    for path in (REAL / "resumed").glob("wandb/*"):
        shutil.copytree(path, tmp_path / "wandb" / path.name.removeprefix("offline-"))
    assert points(readers.read(tmp_path)["wandb"]) == points(readers.read(REAL / "resumed")["wandb"])
