"""The page as text: everything is on it, foreign text stays text, and nothing is fetched."""

from __future__ import annotations

import base64
import json
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from cvl import evaluations, verdict
from cvl.report import facts, html, pictures
from tests.report import made

DATA = Path(__file__).parents[1] / "readers/data/ultralytics/yolov8n"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e\x1b]\ud800&lt;"


class Page(HTMLParser):
    """Tags, attributes and the text of a page; what a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def hostile_run(root: Path) -> Path:
    """A run in which every foreign text is an attack."""
    log = [{**row, f"train/{HOSTILE}": 1.0, f"val/f1/{HOSTILE}": row["step"]} for row in made.rows(nan_at=9)]
    folder = made.run_folder(
        root, log, notes=[HOSTILE], command=HOSTILE, engine=HOSTILE, started=HOSTILE, status="failed", verdict="",
        parameters={HOSTILE: {"value": HOSTILE, "source": HOSTILE}}, split_sizes={HOSTILE: 3},
        environment={HOSTILE: HOSTILE, "packages": {HOSTILE: HOSTILE}}, hardware={"cpu": HOSTILE, "gpus": [HOSTILE]},
    )  # fmt: skip
    made.evaluation(folder, {"split": HOSTILE, "metrics": {HOSTILE: 1}, "groups": {HOSTILE: {"n": 1, HOSTILE: 0.5}}})
    name = HOSTILE.replace("/", "_").replace("\ud800", "")
    Image.new("RGB", (8, 8)).save(folder / "visualizations" / f"{name}.png")
    (folder / "visualizations" / f"{name}x.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def test_everything_about_a_run(tmp_path: Path) -> None:
    page = Page(html.render(made.judged(tmp_path)))
    for words in (
        "train-1", "toy · train · 2026-01-02 · 11 min 12 s", "PASS", "4 of 6 rules, 2 not comparable", "Health only",
        "Decent detection", "trend train_loss last / first ≤ 0.8", "end ≤ 0.8 × start",
        "Measured on the split test.", "button 9 0.8", "baseline/map50 0.05", "CPU: Abacus 9, 2 cores",
        "12 train, 3 val", "Images/s 40.0", "Peak memory 1.50 GB", "MODEL small environment", "1 defaults",
        "numpy 1.26.4", "the first of its kind",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("h1") == 1
    assert [tag for tag in page.tags if tag in ("h2", "h3")] == ["h2", "h2", *["h3"] * 5, *["h2"] * 6]
    assert ("name", "viewport") in page.attributes and ("lang", "en") in page.attributes


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    text = html.render(verdict.of_folder(hostile_run(tmp_path)))
    text.encode()
    page = Page(text)
    assert not {"script", "iframe", "link", "object", "base", "form", "a"} & set(page.tags)
    assert page.tags.count("img") == page.tags.count("figcaption") == 2
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert all(
        value.startswith("data:image/webp;base64,") for name, value in page.attributes if name in ("src", "href")
    )
    assert "url(" not in text and "@import" not in text and "http" not in text.replace("http-equiv", "")
    assert page.text.count("<script>alert(1)</script>") > 15
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert page.text.count("damaged, or no picture") == 1


def test_curves_of_two_splits_keep_their_names() -> None:
    page = Page(html.render(verdict.of_folder(DATA.parents[1] / "keras/nan")))
    assert "loss val_loss" in page.text and "mae val_mae" in page.text


def test_a_job_that_does_not_train_has_pictures_but_no_predictions(tmp_path: Path) -> None:
    text = Page(html.render(made.judged(tmp_path, [], preset="data"))).text
    assert "Pictures 0000.png" in text and "Hardware CPU: Abacus 9" in text
    assert "Predictions" not in text and "Trained on" not in text


def test_the_log_of_the_tool_below_is_not_drawn_again(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path)
    shutil.copytree(DATA, folder / "native")
    shown = verdict.of_folder(folder)
    assert set(shown.readings) == {"cvl_jsonl", "ultralytics"}
    text = Page(html.render(shown)).text
    assert "mAP50(B)" not in text and "val/map50" in text


def test_a_run_that_came_to_no_verdict_says_how_it_ended(tmp_path: Path) -> None:
    page = Page(html.render(made.judged(tmp_path, [], status="timed_out", verdict="")))
    assert "TIMED OUT The rules so far: FAIL (6 of 6 rules)" in page.text
    assert "Curves" not in page.text


def test_a_log_of_another_tool_has_curves_and_verdicts(tmp_path: Path) -> None:
    page = Page(html.render(verdict.of_folder(DATA)))
    assert "A training log without a record yolov8n" in page.text and "finite train/box_loss" in page.text
    assert "metrics/mAP50(B)" in page.text and "Parameters" not in page.text
    nothing = Page(html.render(verdict.of_folder(tmp_path)))
    assert "NOT JUDGED no rule applies" in nothing.text and "no training log found" in nothing.text


def test_pictures_are_made_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "visualizations").mkdir()
    for name in ("b.png", "c.jpg", "d.png", "curves.png"):
        Image.effect_noise((900, 300), 90).save(tmp_path / "visualizations" / name)
    (tmp_path / "visualizations" / "a.png").write_bytes(b"")
    broken, *found = pictures.embedded(tmp_path)
    assert (broken.name, broken.problem) == ("a.png", "damaged, or no picture")
    assert [(one.name, one.width, one.height) for one in found] == [
        ("b.png", 800, 267), ("c.jpg", 800, 267), ("d.png", 800, 267),
    ]  # fmt: skip
    assert Image.open(BytesIO(base64.b64decode(found[0].uri.partition(",")[2]))).size == (800, 267)
    monkeypatch.setattr(pictures, "MAX_BYTES", 2 * len(found[0].uri))
    assert [one.width for one in pictures.embedded(tmp_path)][1:] == [560, 560, 560]
    monkeypatch.setattr(pictures, "MAX_BYTES", len(found[0].uri) // 3)
    assert [one.width for one in pictures.embedded(tmp_path)][1:] == [400]


def test_a_picture_that_would_fill_the_memory_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "visualizations").mkdir()
    Image.new("1", (12_000, 12_000)).save(tmp_path / "visualizations" / "bomb.png")
    (bomb,) = pictures.embedded(tmp_path)
    assert (bomb.uri, bomb.problem) == ("", "too large (12000 × 12000)")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"groups": [1], "metrics": {"a": "b", "c": true}}',
        b'{"groups": {"a": 1}}',
    ],
)
def test_a_strange_evaluation_is_no_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation/metrics.json").write_bytes(content)
    found = evaluations.read(tmp_path)
    assert not found.metrics and not any(found.groups.values())


def test_numbers_of_an_evaluation_as_they_come(tmp_path: Path) -> None:
    made.evaluation(tmp_path, {"metrics": {"a": 1, "big": 10**400, "nan": float("nan")}})
    assert json.dumps(evaluations.read(tmp_path).metrics) == '{"a": 1.0, "nan": NaN}'


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.4, "0 s"), (59.6, "1 min 00 s"), (671.6, "11 min 12 s"), (3661, "1 h 01 min")]
)
def test_durations(seconds: float | None, words: str) -> None:
    assert facts.took(seconds) == words
