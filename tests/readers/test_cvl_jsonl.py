"""metrics.jsonl, whole, torn and spoilt."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cvl.readers import cvl_jsonl
from cvl.readers.base import Reading

ROWS = [
    '{"step": 10, "epoch": 1, "time": 1.5, "train/loss": 2.5, "train/lr": 1e-3}',
    '{"step": 20, "epoch": 1, "time": 2.5, "train/loss": NaN}',
    '{"step": 30, "epoch": 2, "time": 3.5, "train/loss": Infinity, "val/größe": 0.125}',
    '{"step": 30, "epoch": 2, "time": 3.6, "val/map": 0.5}',
]


def read(folder: Path, content: str | bytes) -> Reading:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "metrics.jsonl").write_bytes(data)
    return cvl_jsonl.read(cvl_jsonl.find(folder))


def points(reading: Reading, name: str) -> list[tuple[int, float, str]]:
    one = reading.series[name]
    return list(zip(one.step, one.epoch, map(str, one.value), strict=True))


def test_sparse_rows_with_nan(tmp_path: Path) -> None:
    found = read(tmp_path, "\n".join(ROWS) + "\n")
    assert points(found, "train/loss") == [(10, 1, "2.5"), (20, 1, "nan"), (30, 2, "inf")]
    assert points(found, "val/map") == [(30, 2, "0.5")]
    assert set(found.series) == {"train/loss", "train/lr", "val/größe", "val/map"}
    assert found.problems == ()


def test_cut_at_every_byte(tmp_path: Path) -> None:
    whole = ("\n".join(ROWS) + "\n").encode()
    full = read(tmp_path, whole)
    for length in range(len(whole)):
        found = read(tmp_path, whole[:length])
        rows = whole[:length].count(b"\n")
        for name in found.series:
            assert points(found, name) == points(full, name)[: len(found.series[name])]
        assert len(found.series["train/loss"] if rows else ()) >= min(rows, 3)
        torn = length - whole[:length].rfind(b"\n") - 1 > 0 and not whole[:length].endswith(b"}")
        assert bool(found.problems) == torn, length


def test_a_later_row_wins_and_steps_are_sorted(tmp_path: Path) -> None:
    rows = [(1, 5.0), (2, 4.0), (3, 9.0), (2, 3.0), (4, 1.0)]
    found = read(tmp_path, "".join(f'{{"step": {s}, "epoch": 1, "m": {v}}}\n' for s, v in rows))
    assert [(s, v) for s, _, v in points(found, "m")] == [(1, "5.0"), (2, "3.0"), (3, "9.0"), (4, "1.0")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "not a JSON object"),
        (b"garbage", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"step": ' + b"9" * 5000 + b"}", "not a JSON object"),
        (b"\x00\x00\x00", "not a JSON object"),
        (b'{"step": 1, "m\xff": 2}', "not UTF-8 text"),
        (b'{"m": 2}', "no whole number `step`"),
        (b'{"step": true, "m": 2}', "no whole number `step`"),
        (b'{"step": 1.5, "m": 2}', "no whole number `step`"),
        (b'{"step": 1e99, "m": 2}', "no whole number `step`"),
        (b'{"step": 1, "m": "2"}', "m is not a number"),
        (b'{"step": 1, "m": null}', "m is not a number"),
        (b'{"step": 1, "m": true}', "m is not a number"),
        (b'{"step": 1, "m": [1]}', "m is not a number"),
        (b'{"step": 1, "m": 1' + b"0" * 400 + b"}", "m is not a number"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, line: bytes, message: str) -> None:
    good = b'{"step": 7, "epoch": 1, "m": 1}\n'
    found = read(tmp_path, good + line + b"\n" + good.replace(b"7", b"8"))
    assert [(s, v) for s, _, v in points(found, "m")] == [(7, "1.0"), (8, "1.0")]
    assert [p.message for p in found.problems] == [f"line 2: {message}"]


def test_an_unknown_epoch_is_nan_and_a_byte_order_mark_is_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, b'\xef\xbb\xbf{"step": 1, "m": 2}\r\n\r\n')
    assert found.problems == ()
    assert math.isnan(found.series["m"].epoch[0])


def test_no_file_and_an_unreadable_one(tmp_path: Path) -> None:
    assert cvl_jsonl.find(tmp_path) == []
    found = cvl_jsonl.read([tmp_path / "gone.jsonl"])
    assert found.series == {}
    assert "cannot be read" in found.problems[0].message
