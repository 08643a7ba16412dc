"""Makes a detection data set from web pages: screenshots from headless Chromium, boxes read from the DOM.

    PAGES_DIR=sites TEST_SITES=shop OUTPUT_DIR=my-screens python capture.py
    URLS=http://localhost:3000/,http://localhost:3000/settings OUTPUT_DIR=my-screens python capture.py

Each sub-folder of PAGES_DIR is a site, served on this machine. What counts as a button, a link, … is decided in
boxes.js. Result: images/ and labels/ by split with data.yaml (YOLO), annotations/ (COCO) and captured.json: the source
of every picture. All screenshots of a page share a split; the pages of TEST_SITES are seen by neither train nor val.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from browser import Shot, Views, chromium, find_chromium, take
from division import SPLITS, choose, divide, test_pages
from PIL import Image
from websites import Page, local_pages, remote_pages, serve, site_folders

from cvl import params as parameters
from cvl.errors import DataError, UsageError
from cvl.formats import coco, yolo
from cvl.formats.boxes import Box, BoxDataset, Picture
from cvl.kit import run

CLASSES = ("button", "text_input", "checkbox", "radio_button", "dropdown", "slider", "toggle", "link", "image", "icon")
Failure = dict[str, str]


def main() -> None:
    params = parameters.load(__file__)
    views = Views(
        viewports=[_size(word) for word in _words(params.VIEWPORTS)],
        schemes=_words(params.COLOR_SCHEMES),
        scrolls=params.SCROLLS,
        min_box=params.MIN_BOX,
    )
    folders = site_folders(Path(params.PAGES_DIR)) if params.PAGES_DIR else []
    limits = _limits(params.MAX_IMAGES)
    executable = find_chromium(params.CHROMIUM or "")
    with serve(folders) as addresses, tempfile.TemporaryDirectory() as scratch:
        served = [page for f, a in zip(folders, addresses, strict=True) for page in local_pages(f, a, params.MAX_PAGES)]
        pages = served + remote_pages(params.URLS or "")
        if not pages:
            raise UsageError("nothing to capture", hint="set PAGES_DIR to a folder of HTML pages, or URLS to addresses")
        tests = test_pages(pages, _words(params.TEST_SITES))
        with chromium(executable, offline=not params.URLS) as browser:
            shots, failed = capture(browser, pages, views, Path(scratch))
        splits = divide(shots, tests, params.VAL_SHARE, params.SEED)
        chosen = choose(shots, splits, limits, params.SEED)
        save(chosen, Path(params.OUTPUT_DIR or "outputs/screens"), params.IMAGE_FORMAT, params.MIN_INSTANCES, failed)


def capture(browser: Any, pages: Sequence[Page], views: Views, scratch: Path) -> tuple[list[Shot], list[Failure]]:
    """Every distinct screenshot of every page; a page that fails is reported and does not stop the others."""
    from playwright.sync_api import Error

    shots: dict[str, Shot] = {}
    failed: list[Failure] = []
    for number, page in enumerate(pages, 1):
        print(f"\rcapture: page {number}/{len(pages)} {page.slug[:50]:50}", end="", file=sys.stderr, flush=True)
        try:
            for shot in take(browser, page, views, scratch):
                if shot.boxes:
                    shots.setdefault(shot.digest, shot)
        except Error as error:
            failed.append({"site": page.site.name, "page": page.name, "reason": str(error).splitlines()[0]})
    print(file=sys.stderr)
    for failure in failed:
        run.say(f"capture: failed: {failure['site']} {failure['page']}: {failure['reason']}")
    if not shots:
        raise DataError("no page could be captured", hint="see the reasons above; is the application running?")
    return list(shots.values()), failed


def save(chosen: dict[str, list[Shot]], root: Path, form: str, least: int, failed: list[Failure]) -> None:
    """Writes pictures, both kinds of labels and, last, captured.json."""
    classes, left_out = supported(chosen, least)
    splits = {
        split: tuple(_picture(s, root / "images" / split, form, classes) for s in shots)
        for split, shots in chosen.items()
    }
    dataset = BoxDataset(classes, splits, format="yolo")
    coco.write(dataset, root)
    yolo.write(dataset, root)
    images = [
        _source(shot, split, picture)
        for split, shots in chosen.items()
        for shot, picture in zip(shots, splits[split], strict=True)
    ]
    sites = {shot.page.site.name: asdict(shot.page.site) for shots in chosen.values() for shot in shots}
    record = {
        "classes": classes,
        "left_out": left_out,
        "sites": [sites[n] for n in sorted(sites)],
        "images": images,
        "failed": failed,
    }
    (root / "captured.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for split, pictures in splits.items():
        count = Counter(classes[box.label] for picture in pictures for box in picture.boxes)
        run.say(f"capture: {split}: {len(pictures)} pictures, {', '.join(f'{c} {count[c]}' for c in classes)}")
    for name, reason in left_out.items():
        run.say(f"capture: {name} is left out: {reason}")
    print(root)


def supported(chosen: dict[str, list[Shot]], least: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """Classes with at least `least` boxes in train and one in val, and why the others are left out."""
    count = {split: Counter(box[0] for shot in shots for box in shot.boxes) for split, shots in chosen.items()}
    left_out = {}
    for name in CLASSES:
        if count.get("train", Counter())[name] < max(1, least):
            left_out[name] = f"{count.get('train', Counter())[name]} in train, {max(1, least)} wanted"
        elif least > 1 and "val" in count and not count["val"][name]:
            left_out[name] = "none in val"
    return tuple(name for name in CLASSES if name not in left_out), left_out


def _picture(shot: Shot, folder: Path, form: str, classes: tuple[str, ...]) -> Picture:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{shot.name}.{form}"
    with Image.open(shot.file) as image:
        picture = image.convert("RGB")
    options: dict[str, Any] = {"lossless": True, "quality": 80, "method": 4} if form == "webp" else {"optimize": True}
    picture.save(path, **options)
    boxes = tuple(Box(classes.index(name), *sides) for name, *sides in shot.boxes if name in classes)
    return Picture(path, *picture.size, boxes)


def _source(shot: Shot, split: str, picture: Picture) -> dict[str, object]:
    return {
        "file": f"images/{split}/{picture.path.name}",
        "split": split,
        "site": shot.page.site.name,
        "page": shot.page.name,
        "viewport": "{}x{}".format(*shot.viewport),
        "scheme": shot.scheme,
        "scroll": shot.scroll,
        "boxes": len(picture.boxes),
    }


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _size(word: str) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in word.lower().split("x"))
        return width, height
    except ValueError:
        raise UsageError(f"VIEWPORTS: {word!r} is not WIDTHxHEIGHT", hint="VIEWPORTS=800x600,390x844") from None


def _limits(text: str | None) -> dict[str, int]:
    """MAX_IMAGES is one number for every split, or one each for train, val and test."""
    words = _words(text) or ["0"]
    if len(words) not in (1, 3) or not all(word.isdecimal() for word in words):
        raise UsageError(f"MAX_IMAGES: {text!r} is not a number or three", hint="MAX_IMAGES=160,36,36")
    return dict(zip(SPLITS, map(int, words if len(words) == 3 else words * 3), strict=True))


if __name__ == "__main__":
    run.main(main)
