"""Public sets by name, from archives made here: laid out once, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.training("unet-crack-segmentation")

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "examples/unet-crack-segmentation"
# crackforest with three pictures, deepcrack with two, crack500 with three; and each broken in a way of its own.
MAKE = """
import sys
from io import BytesIO
from zipfile import ZipFile
import numpy as np
from PIL import Image
from scipy.io import savemat

def encoded(form, mode="RGB"):
    out = BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8))
    (image if mode == "RGB" else image.convert("L").point(lambda v: 255 * (v > 128))).save(out, form)
    return out.getvalue()

def mat(key="Segmentation"):
    regions = np.ones((8, 12), np.uint8)
    regions[2, :6], regions[5, :3] = 2, 3
    out = BytesIO()
    savemat(out, {"groundTruth": {key: regions, "Boundaries": regions > 1}})
    return out.getvalue()

def archive(name, files):
    with ZipFile(name, "w") as made:
        for path, data in files.items():
            made.writestr(path, data)

def inner(split):
    out = BytesIO()
    archive(out, {f"{split}crop/a_1.jpg": encoded("JPEG"), f"{split}crop/a_1.png": encoded("PNG", "L")})
    return out.getvalue()

root = "CrackForest-dataset-master"
forest = {f"{root}/image/{n}.jpg": encoded("JPEG") for n in ("001", "061", "073", "200")}
truths = {f"{root}/groundTruth/{n}.mat": mat() for n in ("001", "061", "073")}
archive("crackforest.zip", forest | truths | {f"{root}/README.md": b"hello"})
archive("no-key.zip", forest | {f"{root}/groundTruth/001.mat": mat("Other")})
archive("no-picture.zip", truths)
archive("few.zip", forest | {f"{root}/groundTruth/001.mat": mat()})
archive("other.zip", {"README.md": b"hello"})
open("page.zip", "wb").write(b"<html>please log in</html>")
pictures = {f"{split}_img/a-1.jpg": encoded("JPEG") for split in ("train", "test")}
archive("deepcrack.zip", pictures | {f"{split}_lab/a-1.png": encoded("PNG", "L") for split in ("train", "test")})
archive("crack500.zip", {f"all/CRACK500/{split}crop.zip": inner(split) for split in ("train", "val", "test")})
"""
FETCH = """
import json, sys
from dataclasses import replace
import fetch
from cvl.errors import DataError
name, archive, url, counts = json.loads(sys.argv[1])
wanted = fetch.SETS[name]
small = {name: replace(wanted, url=url or wanted.url, counts=counts or wanted.counts)}
try:
    print(json.dumps(str(fetch.public(name, archive, sets=small))))
except DataError as error:
    print(json.dumps([error.message, error.hint]))
"""
COUNTS = {
    "crackforest": {"train": 1, "val": 1, "test": 1},
    "deepcrack": {"train": 1, "test": 1},
    "crack500": {"train": 1, "val": 1, "test": 1},
}
Fetch = Callable[..., Any]


@pytest.fixture
def archives(ml_python: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "archives"
    folder.mkdir()
    subprocess.run([ml_python, "-c", MAKE], cwd=folder, check=True)
    return folder


@pytest.fixture
def fetch(ml_python: Path, tmp_path: Path) -> Fetch:
    """fetch.public(name) with small counts; its folder, or message and hint."""

    def once(name: str, archive: Path | None = None, *, url: str = "") -> Any:
        env = {"PYTHONPATH": f"{EXAMPLE}:{REPOSITORY}", "HOME": str(tmp_path), "CVL_CACHE": str(tmp_path / "cache")}
        words = json.dumps([name, str(archive) if archive else None, url, COUNTS[name]])
        done = subprocess.run([ml_python, "-c", FETCH, words], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return once


@pytest.fixture
def served(archives: Path) -> Iterator[tuple[str, list[str]]]:
    """The archives behind an address, and what was asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(archives)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def files(folder: Path) -> list[str]:
    """But the locks."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_crackforest_is_fetched_once_and_its_regions_become_masks(
    fetch: Fetch, served: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = served
    folder = Path(fetch("crackforest", url=f"{address}/crackforest.zip"))
    assert files(tmp_path / "cache") == [
        "data/crackforest/fetched.json",
        "data/crackforest/test/images/073.jpg",
        "data/crackforest/test/masks/073.png",
        "data/crackforest/train/images/001.jpg",
        "data/crackforest/train/masks/001.png",
        "data/crackforest/val/images/061.jpg",
        "data/crackforest/val/masks/061.png",
    ]
    with Image.open(folder / "train/masks/001.png") as mask:
        white = [(x, y) for y in range(8) for x in range(12) if mask.getpixel((x, y))]
        assert (mask.mode, mask.size) == ("1", (12, 8))
    assert white == [(x, 2) for x in range(6)] + [(x, 5) for x in range(3)]
    record = json.loads((folder / "fetched.json").read_text())
    assert len(record["sha256"]) == 64
    assert record["counts"] == COUNTS["crackforest"]
    assert fetch("crackforest", url=f"{address}/crackforest.zip") == str(folder)
    assert asked == ["/crackforest.zip"]


def test_two_processes_fetch_it_once(fetch: Fetch, served: tuple[str, list[str]]) -> None:
    address, asked = served
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: fetch("deepcrack", url=f"{address}/deepcrack.zip"), range(2)))
    assert folders[0] == folders[1]
    assert asked == ["/deepcrack.zip"]
    assert "fetched.json" in files(Path(folders[0]))


@pytest.mark.parametrize("name", ["deepcrack", "crack500"])
def test_an_archive_can_be_brought_along(fetch: Fetch, archives: Path, name: str) -> None:
    folder = Path(fetch(name, archives / f"{name}.zip"))
    stem = "a-1" if name == "deepcrack" else "a_1"
    expected = [f"{split}/{part}" for split in COUNTS[name] for part in (f"images/{stem}.jpg", f"masks/{stem}.png")]
    assert files(folder) == sorted([*expected, "fetched.json"])
    assert (archives / f"{name}.zip").is_file()
    with Image.open(folder / expected[1]) as mask:
        assert set(mask.tobytes()) == {0, 255}


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        ("few.zip", "1 train in it, crackforest has 1 train, 1 val, 1 test"),
        ("other.zip", "no picture with a mask in it"),
        ("page.zip", "no archive that can be read (File is not a zip file)"),
        ("no-key.zip", "not laid out as expected (KeyError: 'Segmentation')"),
        ("no-picture.zip", "not laid out as expected (KeyError: '001')"),
    ],
)
def test_another_archive_is_refused_and_leaves_nothing(
    fetch: Fetch, archives: Path, tmp_path: Path, archive: str, message: str
) -> None:
    found, hint = fetch("crackforest", archives / archive)
    assert f"{archive}: {message}" in found
    assert "CrackForest-dataset" in hint
    assert not files(tmp_path / "cache")


def test_what_cannot_be_read_or_written_is_said(fetch: Fetch, archives: Path, tmp_path: Path) -> None:
    found, hint = fetch("crackforest", archives / "missing.zip")
    assert f"missing.zip cannot be unpacked into {tmp_path}/cache/data: No such file" in found
    assert "must be there" in hint
    (tmp_path / "cache/data/.crackforest.lock").unlink()
    (tmp_path / "cache/data").rmdir()
    (tmp_path / "cache/data").write_text("in the way")
    found, hint = fetch("crackforest", archives / "crackforest.zip")
    assert found == f"{tmp_path}/cache/data: File exists"
    assert "CVL_CACHE" in hint


def test_what_is_no_archive_is_not_kept(fetch: Fetch, served: tuple[str, list[str]], tmp_path: Path) -> None:
    """The page of a proxy today must not stand in the way tomorrow."""
    address, _ = served
    assert "no archive that can be read" in fetch("crackforest", url=f"{address}/page.zip")[0]
    assert not files(tmp_path / "cache")
    assert Path(fetch("crackforest", url=f"{address}/crackforest.zip")).is_dir()


def test_offline_the_message_says_what_to_do(fetch: Fetch, served: tuple[str, list[str]]) -> None:
    found, hint = fetch("deepcrack", url=f"{served[0]}/absent.zip")
    assert "DATASET=deepcrack is not in" in found
    assert "cannot be fetched from here" in found
    assert "ARCHIVE=file.zip" in hint
    assert "yhlleo/DeepCrack" in hint


def test_own_data_and_the_sample_come_first(ml_python: Path, tmp_path: Path) -> None:
    script = "import fetch; print(fetch.locate('mine', 'deepcrack'), fetch.locate(None, 'sample').name)"
    env = {"PYTHONPATH": f"{EXAMPLE}:{REPOSITORY}", "HOME": str(tmp_path)}
    done = subprocess.run([ml_python, "-c", script], env=env, capture_output=True, text=True)
    assert done.stdout == "mine cracks\n", done.stderr
