"""Boxes of hand-made pages whose positions are known, read by a real Chromium, and the data set made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from cvl.formats import boxes

pytestmark = pytest.mark.chromium

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/yolo-ui-detection"
Labelled = tuple[str, float, float, float, float]

AT = "position:absolute; box-sizing:border-box; margin:0;"
BUTTON = "border:1px solid #333; background:#ddd"


def at(x: int, y: int, w: int, h: int, more: str = "") -> str:
    return f'style="{AT} left:{x}px; top:{y}px; width:{w}px; height:{h}px; {more}"'


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import browser, websites
views = browser.Views([(400, 300)], ["light"], int(sys.argv[4]), 8)
folder, found = Path(sys.argv[3]), {}
with browser.chromium(sys.argv[2], offline=True) as chrome:
    for file in sorted(folder.glob("*.html")):
        page = websites.Page(websites.Site("s"), file.stem, file.as_uri())
        found[file.stem] = list(browser.take(chrome, page, views, folder))[-1].boxes
print(json.dumps(found))
"""


def read(chromium: str, folder: Path, bodies: list[str], *, scroll: int = 0) -> list[list[Labelled]]:
    """The boxes of pages with these bodies, in the order of the document."""
    for number, body in enumerate(bodies):
        html = f"<!doctype html><meta charset=utf-8><body style='margin:0'>{body}"
        (folder / f"{number:03d}.html").write_text(html, encoding="utf-8")
    command = [sys.executable, "-c", SCRIPT, str(EXAMPLE), chromium, str(folder), str(scroll + 1)]
    answer = subprocess.run(command, env=environment(folder), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return [[tuple(box) for box in found] for _, found in sorted(json.loads(answer.stdout).items())]


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "PYTHONPATH": str(EXAMPLE.parents[1]), **more}


def near(label: str, x: float, y: float, w: float, h: float) -> Labelled:
    return (label, *(pytest.approx(v, abs=1) for v in (x, y, x + w, y + h)))


def tag(name: str, place: tuple[int, int, int, int], more: str = "", inner: str = "", attributes: str = "") -> str:
    return f"<{name} {attributes} {at(*place, more)}>{inner}</{name}>"


def button(more: str = "", place: tuple[int, int, int, int] = (20, 30, 120, 40)) -> str:
    return tag("button", place, f"{BUTTON};{more}", "Save")


SAVE = ("button", 20, 30, 120, 40)
BAR = "<div style='position:fixed; top:0; left:0; right:0; height:{}px; background:navy'></div>"
GLYPH = "<rect width=24 height=24 />"
GIF = "data:image/gif;base64,R0lGODdhAgACAIAAAP///wAAACwAAAAAAgACAAACAoRRADs="
TICK = """<style>
.c { position:absolute; left:50px; top:60px; padding-left:30px }
.c::before { content:''; position:absolute; left:4px; top:2px; width:18px; height:18px; border:1px solid #333;
             box-sizing:border-box }
.i { position:absolute; opacity:0 }
</style><input class=i type=checkbox id=c><label class=c for=c>Agree</label>"""
SWITCH = """<style>
.t { position:absolute; left:50px; top:60px; width:44px; height:22px; background:#bbb; border-radius:11px }
.t::before { content:''; position:absolute; left:2px; top:2px; width:18px; height:18px; background:white }
</style><label class=switch><input type=checkbox style='opacity:0; position:absolute'><span class=t></span></label>"""

CASES = {
    "button": (button(), [SAVE]),
    "invisible": (button("visibility:hidden"), []),
    "transparent": (button("opacity:0"), []),
    "not displayed": (button("display:none"), []),
    "faint by its parent": (f"<div style='opacity:.05'>{button()}</div>", []),
    "covered": (button() + tag("div", (0, 0, 200, 100), "background:white; z-index:9"), []),
    "a transparent sheet covers nothing": (button() + tag("div", (0, 0, 400, 300), "z-index:9"), [SAVE]),
    "a bar over the upper quarter": (button() + BAR.format(40), [("button", 20, 40, 120, 30)]),
    "a bar over most of it": (button() + BAR.format(55), []),
    "clipped by the window": (button(place=(340, 30, 100, 40)), [("button", 340, 30, 60, 40)]),
    "mostly outside the window": (button(place=(360, 30, 100, 40)), []),
    "clipped by a box": (tag("div", (0, 0, 200, 60), "overflow:hidden", button()), [("button", 20, 30, 120, 30)]),
    "too small": (button("font-size:4px; padding:0", (20, 30, 120, 7)), []),
    "a link that looks like a button": (tag("a", (20, 30, 120, 40), BUTTON, "Go", "href=# class=btn"), [SAVE]),
    "native tick boxes": (
        f"<input type=checkbox {at(20, 30, 16, 16)}><input type=radio {at(60, 30, 16, 16)}>",
        [("checkbox", 20, 30, 16, 16), ("radio_button", 60, 30, 16, 16)],
    ),
    "a painted tick box": (TICK, [("checkbox", 54, 62, 18, 18)]),
    "a painted switch": (SWITCH, [("toggle", 50, 60, 44, 22)]),
    "role=switch": (tag("div", (20, 30, 44, 22), "background:#090", "", "role=switch"), [("toggle", 20, 30, 44, 22)]),
    "an open list is no dropdown": (
        tag("select", (20, 30, 120, 30), "", "<option>a")
        + tag("select", (20, 90, 120, 80), "", "<option>a", "multiple"),
        [("dropdown", 20, 30, 120, 30)],
    ),
    "a slider": (f"<input type=range {at(20, 30, 150, 20)}>", [("slider", 20, 30, 150, 20)]),
    "fields": (
        f"<input {at(20, 30, 150, 30)}><input type=hidden>" + tag("textarea", (20, 90, 150, 60)),
        [("text_input", 20, 30, 150, 30), ("text_input", 20, 90, 150, 60)],
    ),
    "a frameless field has the frame around it": (
        tag("div", (20, 30, 200, 40), BUTTON, f"<input {at(40, 5, 120, 30, 'border:0; background:none')}>"),
        [("text_input", 20, 30, 200, 40)],
    ),
    "a drawing is no icon": (
        tag("svg", (20, 30, 24, 24), "", GLYPH) + tag("svg", (90, 30, 200, 150), "", GLYPH),
        [("icon", 20, 30, 24, 24)],
    ),
    "an icon alone is no button": (
        tag("button", (20, 30, 24, 24), "border:0; padding:0; background:none", tag("svg", (0, 0, 24, 24), "", GLYPH)),
        [("icon", 20, 30, 24, 24)],
    ),
    "a picture, and one that did not load": (
        f"<img src={GIF} {at(20, 30, 80, 60)}><img src=nowhere.png {at(150, 30, 80, 60)}>",
        [("image", 20, 30, 80, 60)],
    ),
}


@cache
def all_cases(chromium: str) -> dict[str, list[Labelled]]:
    """One browser for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        return dict(zip(CASES, read(chromium, Path(folder), [body for body, _ in CASES.values()]), strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_boxes(chromium: str, case: str) -> None:
    assert all_cases(chromium)[case] == [near(*box) for box in CASES[case][1]]


def test_scrolled(chromium: str, tmp_path: Path) -> None:
    body = button(place=(20, 400, 120, 40)) + "<div style='height:570px'></div>"
    assert read(chromium, tmp_path, [body], scroll=1) == [[near("button", 20, 130, 120, 40)]]


def test_link_hugs_its_text(chromium: str, tmp_path: Path) -> None:
    body = tag("a", (20, 30, 300, 40), "font:20px/40px monospace", "word", "href=#")
    [[(label, x0, y0, x1, y1)]] = read(chromium, tmp_path, [body])
    assert label == "link" and x0 == pytest.approx(20, abs=1) and x1 == pytest.approx(68, abs=3)
    assert 30 < y0 < 45 and 55 < y1 < 70


def test_wrapped_link_has_a_box_a_line(chromium: str, tmp_path: Path) -> None:
    body = "<p style='width:130px; margin:0; font:20px/30px monospace'>aaaa <a href=#>bbbb cccc</a> dddd</p>"
    (found,) = read(chromium, tmp_path, [body])
    assert [box[0] for box in found] == ["link", "link"]
    assert found[0][2] < 10 and 30 <= found[1][2] < 45
    assert all(box[3] - box[1] < 60 for box in found)


def run_capture(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLE / "capture.py")], env=environment(home, **settings), capture_output=True, text=True
    )


def site(root: Path, name: str, pages: int) -> None:
    """Pages with a button each at (20, 30 + 10 n), dark where the user prefers it, wanting something from far away."""
    style = "<style>@media (prefers-color-scheme: dark) { body { background: #222 } }</style>"
    far = "<script src='https://cdn.invalid/x.js'></script><iframe src='https://far.invalid/' hidden></iframe>"
    (root / name).mkdir(parents=True)
    (root / name / "package.json").write_text(json.dumps({"name": name, "version": "1.2.3", "license": "MIT"}))
    for n in range(pages):
        button = f"<button {at(20, 30 + 10 * n, 120, 40, BUTTON)}>{name} {n}</button>"
        (root / name / f"p{n}.html").write_text(f"<!doctype html>{style if n % 2 else ''}<body>{far}{button}")


def test_data_set_of_two_sites(chromium: str, tmp_path: Path) -> None:
    site(tmp_path / "sites", "one", 5)
    site(tmp_path / "sites", "two", 2)
    out = tmp_path / "out"
    settings = {"PAGES_DIR": str(tmp_path / "sites"), "TEST_SITES": "two", "VAL_SHARE": "0.4", "CHROMIUM": chromium}
    answer = run_capture(
        tmp_path, **settings, OUTPUT_DIR=str(out), VIEWPORTS="300x200", COLOR_SCHEMES="light,dark", SCROLLS="2"
    )
    assert answer.returncode == 0, answer.stderr
    record = json.loads((out / "captured.json").read_text())
    pages = {
        split: {i["page"] for i in record["images"] if i["split"] == split and i["site"] == "one"}
        for split in ("train", "val")
    }
    assert len(pages["train"]) == 3 and len(pages["val"]) == 2 and not pages["train"] & pages["val"]
    assert {i["site"] for i in record["images"] if i["split"] == "test"} == {"two"}
    assert {i["scheme"] for i in record["images"] if i["page"] == "p1"} == {"light", "dark"}
    assert {i["scheme"] for i in record["images"] if i["page"] == "p0"} == {"light"}
    assert record["sites"][0] == {"name": "one", "version": "1.2.3", "license": "MIT"}
    dataset = boxes.read(out)
    assert not dataset.problems and dataset.classes == ("button",)
    for split, items in dataset.splits.items():
        twin = json.loads((out / f"annotations/instances_{split}.json").read_text())
        assert len(twin["annotations"]) == len(items) == sum(i["split"] == split for i in record["images"])


def test_same_pages_same_files(chromium: str, tmp_path: Path) -> None:
    site(tmp_path / "sites", "one", 3)
    trees = []
    for name in ("a", "b"):
        out = tmp_path / name
        answer = run_capture(
            tmp_path, PAGES_DIR=str(tmp_path / "sites"), CHROMIUM=chromium, OUTPUT_DIR=str(out), VIEWPORTS="300x200"
        )
        assert answer.returncode == 0, answer.stderr
        trees.append({p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()})
    assert trees[0] == trees[1] and len(trees[0]) > 6


def test_a_page_that_fails_is_reported(chromium: str, tmp_path: Path) -> None:
    site(tmp_path / "sites", "one", 2)
    answer = run_capture(
        tmp_path,
        URLS=f"http://127.0.0.1:9/gone,{(tmp_path / 'sites/one/p0.html').as_uri()}",
        CHROMIUM=chromium,
        OUTPUT_DIR=str(tmp_path / "out"),
        VIEWPORTS="300x200",
    )
    assert answer.returncode == 0, answer.stderr
    assert "failed: 127.0.0.1:9 gone" in answer.stderr
    assert [f["page"] for f in json.loads((tmp_path / "out/captured.json").read_text())["failed"]] == ["gone"]


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"CHROMIUM": "/nowhere/chromium", "URLS": "http://127.0.0.1:9/"}, 4, "no Chromium found"),
        ({}, 2, "nothing to capture"),
        ({"PAGES_DIR": "/nowhere/pages"}, 2, "no such folder"),
        ({"VIEWPORTS": "big", "URLS": "http://127.0.0.1:9/"}, 2, "WIDTHxHEIGHT"),
        ({"MAX_IMAGES": "1,2", "URLS": "http://127.0.0.1:9/"}, 2, "MAX_IMAGES: '1,2' is not a number or three"),
        ({"URLS": "http://127.0.0.1:9/"}, 2, "no page could be captured"),
        ({"URLS": "http://127.0.0.1:9/", "TEST_SITES": "shop"}, 2, "TEST_SITES names shop"),
    ],
)
def test_refusals(tmp_path: Path, settings: dict[str, str], code: int, message: str) -> None:
    answer = run_capture(tmp_path, **settings, OUTPUT_DIR=str(tmp_path / "out"))
    assert answer.returncode == code, answer.stderr
    assert message in answer.stderr and "hint:" in answer.stderr and "Traceback" not in answer.stderr
