"""JSON lines and lists of any tool."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl import readers
from cvl.readers import jsonl
from cvl.readers.base import Reading

NUMBERS = st.integers(-5, 5) | st.floats() | st.sampled_from([True, None, "nan", "x", 10**400, [1]])


def read(folder: Path, content: str | bytes, name: str = "log.jsonl") -> Reading:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return jsonl.read(jsonl.find(folder))


def points(reading: Reading, name: str) -> list[tuple[int, str, str]]:
    if name not in reading.series:
        return []
    one = reading.series[name]
    return [(step, str(epoch), str(value)) for step, epoch, value in zip(one.step, one.epoch, one.value, strict=True)]


@pytest.mark.parametrize("name", ["step", "global_step", "iteration", "iter", "it"])
@pytest.mark.parametrize("form", ["lines", "list"])
def test_names_of_the_step(tmp_path: Path, name: str, form: str) -> None:
    rows = [json.dumps({name: step, "epoch": 1, "loss": step / 2}) for step in (3, 4)]
    text = "\n".join(rows) + "\n" if form == "lines" else f" [\n{','.join(rows)}]"
    assert points(read(tmp_path, text, "log.json"), "loss") == [(3, "1.0", "1.5"), (4, "1.0", "2.0")]


def test_inner_objects_and_numbers_spelled_as_text(tmp_path: Path) -> None:
    row = (
        '{"step": 1, "mode": "train", "loss": {"box": 1.5, "cls": {"a": "NaN"}}, "lr": "1e-3", "ok": true, "n": null}\n'
    )
    found = read(tmp_path, row)
    assert {name: points(found, name)[0][2] for name in found.series} == {
        "loss/box": "1.5",
        "loss/cls/a": "nan",
        "lr": "0.001",
    }
    assert found.problems == ()


def test_rows_are_counted_where_they_have_no_step(tmp_path: Path) -> None:
    assert points(read(tmp_path, '{"loss": 5}\n\n{"loss": 4}\n'), "loss") == [(1, "nan", "5.0"), (3, "nan", "4.0")]
    listed = read(tmp_path, '[{"epoch": 0, "loss": 5}, {"epoch": 1, "loss": 4}]', "log.json")
    assert points(listed, "loss") == [(1, "0.0", "5.0"), (2, "1.0", "4.0")]


def test_the_later_row_of_a_step_counts_whatever_else_it_holds(tmp_path: Path) -> None:
    rows = ['{"step": 0, "m": 1}', '{"step": 1, "m": 2, "x": 1}', '{"step": 1, "m": 3}', '{"step": 0, "m": 4, "x": 1}']
    assert points(read(tmp_path, "\n".join(rows) + "\n"), "m") == [(0, "nan", "4.0"), (1, "nan", "3.0")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "not a JSON object"),
        (b'{"step": 1, "m": 2}, {"step": 9, "m": 2}', "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"step": ' + b"9" * 5000 + b"}", "not a JSON object"),
        (b'{"step": 1, "m\xff": 2}', "not UTF-8 text"),
        (b'{"step": 1.5, "m": 2}', "no whole number `step`"),
        (b'{"step": 1, "m": "oops"}', "m is not a number"),
        (b'{"step": 1, "m": [1]}', "m is not a number"),
        (b'{"step": 1, "m": 1' + b"0" * 400 + b"}", "m is not a number"),
    ],
    ids=range(9),
)
def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, line: bytes, message: str) -> None:
    good = b'{"step": 7, "epoch": 1, "m": 1}\n'
    found = read(tmp_path, good + line + b"\n" + good.replace(b"7", b"8"))
    assert points(found, "m") == [(7, "1.0", "1.0"), (8, "1.0", "1.0")]
    assert [p.message for p in found.problems] == [f"line 2: {message}"]


def test_two_halves_of_a_line_are_no_object(tmp_path: Path) -> None:
    found = read(tmp_path, '{"step": 1, "m": 1}\n{"step": 2\n"m": 2}\n{"step": 3, "m": 3}\n')
    assert points(found, "m") == [(1, "nan", "1.0"), (3, "nan", "3.0")]
    assert [p.message for p in found.problems] == ["line 2: not a JSON object (and 1 more lines)"]


def test_objects_within_objects_without_end(tmp_path: Path) -> None:
    deep = '{"a":' * 400 + "1" + "}" * 400
    found = read(tmp_path, f'{{"step": 1, "m": 1, "deep": {deep}}}\n')
    assert list(found.series) == ["m"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), NUMBERS), max_size=25), st.integers(1, 60))
def test_blocks_say_what_rows_say(tmp_path_factory: pytest.TempPathFactory, rows: list[dict], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cvl.readers.texts._BLOCK", block)
        path = tmp_path_factory.mktemp("blocks") / "log.jsonl"
        path.write_text("".join(json.dumps({"step": i, **row}) + "\n" for i, row in enumerate(rows)), encoding="utf-8")
        found = jsonl.read([path])
    for name in "abc":
        wanted = [(i, spelled) for i, row in enumerate(rows) if (spelled := as_number(row.get(name))) is not None]
        assert [(step, value) for step, _, value in points(found, name)] == wanted


def as_number(raw: object) -> str | None:
    spelled = isinstance(raw, int | float | str) and raw is not True and raw not in ("x", 10**400)
    return str(float(raw)) if spelled else None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.jsonl", ""),
        ("log.jsonl", '{"step": 1, "loss": 2'),
        ("log.jsonl", '{"step": 1}\n'),
        ("log.jsonl", '{"text": "a prompt"}\n'),
        ("config.json", '{"epoch": 3, "lr": 0.1}\n'),
        ("config.json", '{\n"epoch": 3,\n"lr": 0.1\n}\n'),
        ("boxes.json", '[{"image_id": 1, "score": 0.5}]'),
        ("list.json", "[1, 2]"),
        ("list.json", "["),
        ("list.json", "[" * 100_000),
    ],
    ids=range(10),
)
def test_what_is_no_log_is_not_ours(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert readers.read(tmp_path) == {}


def test_of_several_files_those_that_count_steps_and_of_one_metric_the_newest(tmp_path: Path) -> None:
    contents = {"texts.jsonl": '{"length": 5}', "old.jsonl": '{"it": 1, "m": 2}', "val.jsonl": '{"epoch": 1, "v": 2}'}
    for age, (name, row) in enumerate({**contents, "new.jsonl": '{"it": 1, "m": 3}'}.items(), 1):
        (tmp_path / name).write_text(row + "\n", encoding="utf-8")
        os.utime(tmp_path / name, (age, age))
    assert [path.name for path in jsonl.find(tmp_path)] == ["val.jsonl", "new.jsonl"]


def test_a_torn_list_keeps_its_whole_objects(tmp_path: Path) -> None:
    found = read(tmp_path, '[{"step": 1, "m": 1}, {"step": 2, "m": 2', "log.json")
    assert points(found, "m") == [(1, "nan", "1.0")]
    assert [p.message for p in found.problems] == ["torn within its list"]


def test_metrics_jsonl_of_another_tool(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"global_step": 5, "loss": 2}\n', encoding="utf-8")
    assert list(readers.read(tmp_path)) == ["jsonl"]
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "loss": 2}\n', encoding="utf-8")
    assert list(readers.read(tmp_path)) == ["cvl_jsonl"]
    (tmp_path / "metrics.jsonl").write_text('[{"step": 5, "loss": 2}]\n', encoding="utf-8")
    assert list(readers.read(tmp_path)) == ["jsonl"]
