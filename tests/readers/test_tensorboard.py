"""Event files made by hand: what the real writers rarely or never write."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from cvl import readers
from cvl.readers import tensorboard
from cvl.readers.base import Reading
from cvl.readers.tfrecord import _masked

TYPES = {"f": (1, 5), "d": (2, 6), "i": (3, 7), "B": (4, 7), "h": (5, 7), "b": (6, 7), "q": (9, 10), "H": (17, 7)}
TYPES |= {"e": (19, 13), "I": (22, 16), "Q": (23, 17)}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def frame(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def event(step: int, *values: bytes, time: float = 1.0) -> bytes:
    """As protobuf writes it: a step of 0 is left out."""
    at = field(2, step) if step else b""
    summary = field(5, b"".join(field(1, value) for value in values)) if values else b""
    return frame(b"\x09" + struct.pack("<d", time) + at + summary)


def simple(tag: str, value: float) -> bytes:
    return field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def tensor(tag: str, *parts: bytes) -> bytes:
    return field(1, tag.encode()) + field(8, b"".join(parts)) + field(9, b"")


def write(path: Path, *frames: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frames))
    return path


def read(folder: Path, *frames: bytes) -> Reading:
    write(folder / "events.out.tfevents.1.host", *frames)
    return tensorboard.read(tensorboard.find(folder))


def points(reading: Reading) -> dict[str, list[tuple[int, float]]]:
    return {name: list(zip(series.step, series.value, strict=True)) for name, series in reading.series.items()}


def messages(reading: Reading) -> list[str]:
    return [problem.message for problem in reading.problems]


def test_the_checksum_is_the_published_one() -> None:
    crc = 0xE3069283  # CRC-32C of "123456789"
    assert struct.unpack("<I", _masked(b"123456789"))[0] == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("layout", TYPES)
@pytest.mark.parametrize("value", [0, 1, 100, -7])
def test_every_type_of_tensor_in_each_of_its_forms(tmp_path: Path, layout: str, value: int) -> None:
    dtype, listed = TYPES[layout]
    value = abs(value) if layout in "BHIQ" else value
    content = struct.pack(f"<{layout}", value)
    bits = struct.unpack("<H", content)[0] if layout == "e" else value
    packed = content if layout in "fd" else varint(bits)
    alone = bytes((listed << 3 | (5 if layout == "f" else 1),)) + content if layout in "fd" else field(listed, bits)
    forms = [field(4, content), field(listed, packed), alone]
    one = field(2, field(2, field(1, 1)))  # a shape of [1]
    found = read(tmp_path, *(event(i, tensor("m", field(1, dtype), one, form)) for i, form in enumerate(forms)))
    assert points(found) == {"m": [(0, value), (1, value), (2, value)]}


def test_tensors_that_are_no_number_are_no_points(tmp_path: Path) -> None:
    many = field(2, field(2, field(1, 100)))  # one value for all hundred
    parts = [
        [field(1, 7), field(8, b"text")],
        [field(1, 1), many, field(5, struct.pack("<f", 1))],
        [field(1, 1), field(5, struct.pack("<2f", 1, 2))],
        [field(1, 1), field(5, struct.pack("<f", 1)), field(5, struct.pack("<f", 2))],
        [field(1, 3), field(7, varint(1) + varint(2))],
        [field(1, 1)],
        [],
    ]
    found = read(tmp_path, event(0, simple("ok", 1)), *(event(1, tensor("m", *part)) for part in parts))
    assert points(found) == {"ok": [(0, 1)]}
    assert messages(found) == []


def test_several_values_long_tags_and_negative_steps(tmp_path: Path) -> None:
    long = "x" * 300
    found = read(tmp_path, event(-5, simple("a", 1), simple("b", 2)), event(300, simple(long, 3)), event(2**40))
    assert points(found) == {"a": [(-5, 1)], "b": [(-5, 2)], long: [(300, 3)]}


def test_fields_in_another_order_are_read_too(tmp_path: Path) -> None:
    value = b"\x15" + struct.pack("<f", 4) + field(1, b"m")
    found = read(tmp_path, event(0), frame(field(5, field(1, value)) + field(2, 7) + b"\x09" + bytes(8)))
    assert points(found) == {"m": [(7, 4)]}


def test_a_flipped_bit_is_never_a_value(tmp_path: Path) -> None:
    good, spoilt = event(1, simple("m", 1)), bytearray(event(2, simple("m", 2)))
    spoilt[-6] ^= 1
    found = read(tmp_path, good, bytes(spoilt), event(3, simple("m", 3)))
    assert points(found) == {"m": [(1, 1), (3, 3)]}
    assert messages(found) == ["records with a wrong checksum, left out"]


def test_where_a_length_is_wrong_the_rest_is_lost(tmp_path: Path) -> None:
    good, spoilt = event(1, simple("m", 1)), bytearray(event(2, simple("m", 2)))
    spoilt[0] ^= 1
    found = read(tmp_path, good, bytes(spoilt), event(3, simple("m", 3)))
    assert points(found) == {"m": [(1, 1)]}
    assert messages(found) == ["the checksum of a record's length is wrong, the rest is left out"]
    assert messages(read(tmp_path, good, bytes(64))) == messages(found)


@pytest.mark.parametrize("data", [b"\xff" * 30, b"\x2a\x7f", b"\x00\x00", b"\x2b", b"\x2a\x05\x0a\x03\x15\x00\x00"])
def test_records_that_are_no_events(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path, event(1, simple("m", 1)), frame(data), frame(data))
    assert points(found) == {"m": [(1, 1)]}
    assert messages(found) == ["records that are no events, left out"]


def test_a_record_larger_than_any_number_is_passed_over(tmp_path: Path) -> None:
    huge = frame(bytes((1 << 24) + 1))
    whole = [event(1, simple("m", 1)), huge, event(2, simple("m", 2))]
    assert points(read(tmp_path, *whole)) == {"m": [(1, 1), (2, 2)]}
    cut = read(tmp_path, whole[0], huge[:-1])
    assert points(cut) == {"m": [(1, 1)]}
    assert messages(cut) == ["torn record at the end"]
    length = struct.pack("<Q", 2**63)
    assert messages(read(tmp_path, whole[0], length + _masked(length))) == [
        f"a record of {2**63} bytes, the rest is left out"
    ]


def test_files_count_in_the_order_they_were_begun(tmp_path: Path) -> None:
    write(
        tmp_path / "events.out.tfevents.1.later", event(0, time=9), event(1, simple("m", 2)), event(2, simple("m", 2))
    )
    write(
        tmp_path / "events.out.tfevents.2.first", event(0, time=5), event(0, simple("m", 1)), event(1, simple("m", 1))
    )
    assert points(readers.read(tmp_path)["tensorboard"]) == {"m": [(0, 1), (1, 2), (2, 2)]}


def test_the_newest_of_several_runs(tmp_path: Path) -> None:
    for i, inner in enumerate(("runs/a", "lightning_logs/version_10", "lightning_logs/version_2")):
        write(tmp_path / inner / "events.out.tfevents.1.host", event(0, simple("m", i), time=5 if i == 2 else 8 + i))
    assert points(readers.read(tmp_path)["tensorboard"]) == {"m": [(0, 1)]}
    write(tmp_path / "events.out.tfevents.1.host", event(0, simple("m", 7), time=1))
    assert points(readers.read(tmp_path)["tensorboard"]) == {"m": [(0, 7)]}


def test_folders_that_are_parts_of_a_run(tmp_path: Path) -> None:
    for inner in ("train", "validation", "other"):
        write(tmp_path / inner / "events.out.tfevents.1.host", event(0, simple("loss", 1)))
    assert set(readers.read(tmp_path)["tensorboard"].series) == {"train/loss", "validation/loss"}
    write(tmp_path / "events.out.tfevents.1.host", event(0, simple("loss", 1)))
    write(tmp_path / "a_b_c/events.out.tfevents.1.host", event(0, simple("a/b", 1)))
    assert set(readers.read(tmp_path)["tensorboard"].series) == {"loss", "train/loss", "validation/loss", "a/b/c"}


def test_what_only_has_the_name_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.folder").mkdir()
    write(tmp_path / "events.out.tfevents.1.host", b"step,loss\n1,2\n")
    write(tmp_path / "events.out.tfevents.2.host")
    assert tensorboard.find(tmp_path) == [] == tensorboard.find(tmp_path / "nothing")
    assert messages(tensorboard.read([tmp_path / "gone"])) == ["cannot be read: No such file or directory"]
    assert tensorboard.read([]).series == {}


def test_the_epoch_of_lightning_is_that_of_its_step(tmp_path: Path) -> None:
    rows = [(1, "loss", 5.0), (1, "epoch", 0.0), (3, "loss", 4.0), (3, "epoch", 1.0), (4, "loss", math.nan)]
    found = read(tmp_path, event(0, simple("hp_metric", -1)), *(event(s, simple(tag, v)) for s, tag, v in rows))
    assert set(found.series) == {"loss"}
    assert list(map(str, found.series["loss"].epoch)) == ["0.0", "1.0", "nan"]
    assert set(read(tmp_path, event(0, simple("hp_metric", 0.5))).series) == {"hp_metric"}
