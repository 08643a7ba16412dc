"""Generated cracks: the same bytes for the same seed, exact masks, surfaces that no other split has seen."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.training("unet-crack-segmentation")

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "examples/unet-crack-segmentation"
SAMPLE = REPOSITORY / "cvl/kit/samples/cracks"
HEAD = """
import json, sys
from pathlib import Path
import numpy as np
import cracks, generate, pavement, textures
from generate import Recipe
from numpy.random import default_rng
"""
Script = Callable[..., Any]


@pytest.fixture
def script(ml_python: Path, tmp_path: Path) -> Script:
    """Runs Python beside the example's files, in `tmp_path`; what it prints, as JSON."""

    def run(body: str) -> Any:
        env = {"PYTHONPATH": f"{EXAMPLE}:{REPOSITORY}", "HOME": str(tmp_path)}
        done = subprocess.run([ml_python, "-c", HEAD + body], env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_bytes_depend_on_the_seed_alone(script: Script, tmp_path: Path) -> None:
    script("""
for name, seed, train, workers in ("a", 5, 3, 0), ("b", 5, 5, 2), ("c", 6, 3, 0):
    recipe = Recipe(seed, (96, 128), 0.2, 85)
    made = list(generate.generate(Path(name), recipe, {"train": train, "val": 1}, workers=workers))
    generate.write_record(Path(name), recipe, made)
print(json.dumps(0))
""")
    a, b, c = (contents(tmp_path / name) for name in "abc")
    records = [json.loads(found.pop("generated.json")) for found in (a, b, c)]
    assert len(a) == 8
    assert a == {name: b[name] for name in a}
    assert all(a[name] != c[name] for name in a if "images" in name)
    assert records[0]["pictures"][:3] == records[1]["pictures"][:3]
    assert records[0]["size"] == [96, 128]
    assert Image.open(BytesIO(a["train/images/train-00000.jpg"])).size == (128, 96)
    assert Image.open(BytesIO(a["train/masks/train-00000.png"])).mode == "1"


def test_the_shipped_sample_is_what_the_generator_makes(script: Script, tmp_path: Path) -> None:
    record = json.loads((SAMPLE / "generated.json").read_text())
    here = script("""
from importlib.metadata import version
print(json.dumps({name: version(name) for name in generate.PACKAGES}))
""")
    if here != {name: record["versions"][name] for name in here}:
        pytest.skip(f"made with {record['versions']}, here is {here}")
    script(f"""
recipe = Recipe({record["seed"]}, tuple({record["size"]}), {record["empty"]}, {record["quality"]})
print(json.dumps(len(list(generate.generate(Path("again"), recipe, {{"train": 2, "val": 2, "test": 2}})))))
""")
    shipped = contents(SAMPLE)
    again = contents(tmp_path / "again")
    assert len(again) == 12
    assert again == {name: shipped[name] for name in again}


def test_the_record_of_the_sample_tells_what_is_there() -> None:
    record = json.loads((SAMPLE / "generated.json").read_text())
    assert len(record["pictures"]) == 144 == len(list(SAMPLE.glob("*/images/*.jpg")))
    for made in record["pictures"]:
        with Image.open(SAMPLE / made["file"].replace("images", "masks").replace(".jpg", ".png")) as mask:
            share = mask.convert("L").histogram()[255] / (mask.width * mask.height)
        assert share == pytest.approx(made["share"], abs=1e-5)
        assert (share == 0) == (made["kind"] == "none")


def test_a_surface_knows_the_band_of_its_split_alone(script: Script) -> None:
    """Other pixels everywhere else change no surface; one other pixel in the band does."""
    equal = script("""
noise = default_rng(0).integers(0, 256, (512, 512), np.uint8)
real = {name: getattr(textures.data, name)() for name in textures.PHOTOGRAPHS}
def both(split):
    plain = textures.surface(default_rng(1), "gravel", split, (64, 80), scale=0.3)
    return np.stack([plain, textures.paving(default_rng(1), split, (64, 80))])
found = {}
for split, (first, end) in textures.BANDS.items():
    before = both(split)
    for name, pixels in real.items():
        outside = noise.copy()
        outside[:, first:end] = pixels[:, first:end]
        setattr(textures.data, name, lambda outside=outside: outside)
    same = np.array_equal(before, both(split))
    for name in real:
        setattr(textures.data, name, lambda: noise)
    found[split] = [same, bool((before != both(split)).any())]
    for name, pixels in real.items():
        setattr(textures.data, name, lambda pixels=pixels: pixels)
print(json.dumps(found))
""")
    assert equal == {split: [True, True] for split in ("train", "val", "test")}


def test_bands_keep_apart(script: Script) -> None:
    bands = sorted(script("print(json.dumps(list(textures.BANDS.values())))"))
    assert all(first[1] + 16 <= second[0] for first, second in itertools.pairwise(bands))


def test_a_straight_crack_has_its_width_and_its_gap(script: Script) -> None:
    """4 px (and the quarter of a pixel that Pillow adds), the margins of the mask beside it; nothing where closed."""
    found = script("""
x = np.arange(10.0, 91.0)
depth = np.where((x > 40) & (x < 60), 0.0, 0.8)
drawn = []
for y in np.arange(30, 31, 0.125):  # wherever it lies between two rows of pixels
    line = cracks.Line(np.stack([x, np.full_like(x, y)], 1), np.full_like(x, 4.0), depth)
    drawn.append(cracks.draw([line], (60, 100)))
dark, mask = map(np.stack, zip(*drawn))
fainter = cracks.Line(np.stack([np.full_like(x, 50.0), x - 10], 1), np.full_like(x, 4.0), np.full_like(x, 0.4))
crossed = cracks.draw([line, fainter], (60, 100))[0][20:40, 50].min()
print(json.dumps({
    "rows": float(mask[:, :, 20:35].sum(1).mean()), "ink": float(dark[:, :, 20:35].sum(1).mean()),
    "gap": int(mask[:, :, 45:56].sum()), "dark gap": float(dark[:, :, 45:56].max()), "darkest": float(dark.max()),
    "crossed": float(crossed),
}))
""")
    opening = found["ink"] / 0.8
    assert opening == pytest.approx(4.25, abs=0.1)
    assert 0.9 <= found["rows"] - opening <= 1.4
    assert (found["gap"], found["dark gap"]) == (0, 0.0)
    assert found["darkest"] == pytest.approx(0.8, abs=0.01)
    assert found["crossed"] == pytest.approx(0.4, abs=0.01)  # another crack runs on through the gap


def test_pictures_are_like_real_ones(script: Script) -> None:
    """Share, width and contrast of cracks as on real roads (59 of CrackForest: 1.35 %, 2.3 px, 23 grey levels)."""
    found = script("""
from scipy.ndimage import binary_dilation, distance_transform_edt
from skimage.morphology import skeletonize
shares, widths, contrasts = [], [], []
for i in range(24):
    road = pavement.road(default_rng([3, i]), "val", (192, 192), empty=0.0)
    grey, mask = road.picture.mean(-1), road.mask
    around = binary_dilation(mask, iterations=12) & ~binary_dilation(mask, iterations=4)
    shares.append(mask.mean())
    widths.append(2 * distance_transform_edt(mask)[skeletonize(mask)].mean() - 1)
    contrasts.append(grey[around].mean() - grey[mask].mean())
print(json.dumps([*map(float, (min(shares), np.median(shares), np.median(widths), np.median(contrasts)))]))
""")
    least, share, width, contrast = found
    assert least >= 0.004
    assert 0.008 < share < 0.04
    assert 1.5 < width < 4
    assert 12 < contrast < 40


def test_what_only_looks_like_a_crack_is_none(script: Script) -> None:
    """Distractors are drawn, and no mask has a pixel."""
    kinds, pixels, drawn = script("""
roads = [pavement.road(default_rng([4, i]), "test", (96, 96), empty=1.0) for i in range(24)]
drawn = sorted({name for road in roads for name in road.distractors})
print(json.dumps([sorted({r.kind for r in roads}), int(sum(r.mask.sum() for r in roads)), drawn]))
""")
    assert (kinds, pixels) == (["none"], 0)
    assert len(drawn) >= 5


def test_each_distractor_changes_the_picture_and_each_kind_is_drawn(script: Script) -> None:
    changed, kinds = script("""
grey = np.full((96, 96), 130, np.float32)
changed = {name: max(float(np.abs(draw(default_rng(i), grey) - grey).max()) for i in range(5))
           for name, (_, draw) in pavement.DISTRACTORS.items()}
kinds = {kind: pavement._crack(default_rng(1), kind, (96, 96))[1].mean() for kind in cracks.KINDS}
print(json.dumps([changed, kinds]))
""")
    assert len(changed) == 8
    assert min(changed.values()) > 5
    assert min(kinds.values()) >= 0.004
    assert set(kinds) == {"single", "branching", "double", "network"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("generate.counts('8,2')", "NUM_PICTURES: '8,2' is not three numbers"),
        ("generate.counts('0,0,0')", "NUM_PICTURES: '0,0,0' is not three numbers"),
        ("generate.counts('8,-2,1')", "NUM_PICTURES: '8,-2,1' is not three numbers"),
        ("generate.size('32')", "PICTURE_SIZE: '32' is no size"),
        ("generate.size('64x64')", "PICTURE_SIZE: '64x64' is no size"),
        ("generate.new_folder('there')", "OUTPUT_DIR there: it already holds val/"),
    ],
)
def test_what_cannot_be_made_is_refused(script: Script, tmp_path: Path, call: str, message: str) -> None:
    (tmp_path / "there/val").mkdir(parents=True)
    said = script(f"""
from cvl.errors import UsageError
try:
    {call}
except UsageError as error:
    print(json.dumps([error.message, error.hint]))
""")
    assert said[0] == message
    assert said[1]


def test_the_script_makes_a_data_set(ml_python: Path, tmp_path: Path) -> None:
    """With the manifest's own parameters."""
    env = {"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)}
    values = {"OUTPUT_DIR": str(tmp_path / "out"), "NUM_PICTURES": "2,1,0", "PICTURE_SIZE": "64,96", "SEED": "3"}
    command = [ml_python, EXAMPLE / "generate.py"]
    done = subprocess.run(command, env=env | values, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:3]] == [["train", "2"], ["val", "1"]]
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 3
    again = subprocess.run(command, env=env | values, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2
    assert "already holds train/" in again.stderr
    (tmp_path / "file").write_text("in the way")
    values["OUTPUT_DIR"] = str(tmp_path / "file/out")
    blocked = subprocess.run(command, env=env | values, cwd=tmp_path, capture_output=True, text=True)
    assert blocked.returncode == 1
    assert f"OUTPUT_DIR {tmp_path}/file/out: Not a directory" in blocked.stderr
