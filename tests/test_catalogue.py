"""Which examples there are, and which one a word means."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cvl import catalogue, tables
from cvl.cli import group
from cvl.errors import UsageError
from tests.examples_factory import MANIFEST, make_example

NAMES = ("sam-ui-segmentation", "unet-crack-segmentation", "yolo-ui-detection")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three examples and a file beside them; the current folder is the repository's."""
    for name in NAMES:
        make_example(tmp_path / "examples", name)
    (tmp_path / "examples" / "notes").mkdir()
    (tmp_path / "examples" / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "examples"


def test_the_folder_of_examples_is_found_from_below(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue.root() == root
    monkeypatch.chdir(root / "yolo-ui-detection")
    assert catalogue.root() == root


def test_the_variable_names_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_example(tmp_path / "elsewhere", "toy-other")
    monkeypatch.setenv("CVL_EXAMPLES", str(tmp_path / "elsewhere"))
    assert catalogue.find("other").name == "toy-other"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("yolo-ui-detection", "yolo-ui-detection"),
        ("detection", "yolo-ui-detection"),
        ("yolo", "yolo-ui-detection"),
        ("sam-ui", "sam-ui-segmentation"),
        ("crack", "unet-crack-segmentation"),
        ("ui-detect", "yolo-ui-detection"),
        ("crack-segmentation", "unet-crack-segmentation"),
        ("examples/sam-ui-segmentation", "sam-ui-segmentation"),
        ("examples/sam-ui-segmentation/", "sam-ui-segmentation"),
        ("./examples/../examples/sam-ui-segmentation", "sam-ui-segmentation"),
    ],
)
def test_words_for_an_example(word: str, name: str) -> None:
    assert catalogue.find(word).name == name


def test_the_current_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "sam-ui-segmentation")
    assert catalogue.find(".").name == "sam-ui-segmentation"


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("yolo-ui-detecton", "there is no example 'yolo-ui-detecton'", "did you mean yolo-ui-detection?"),
        ("pizza", "there is no example 'pizza'", "`cvl list` shows the catalogue"),
        ("notes", "there is no example 'notes'", "`cvl list` shows the catalogue"),
        ("examples/notes", "no example.yaml in examples/notes", "`cvl list` shows the catalogue"),
        ("", "there is no example ''", "`cvl list` shows the catalogue"),
        ("olo-ui", "there is no example 'olo-ui'", "`cvl list` shows the catalogue"),
        ("ui", "'ui' fits several examples: sam-ui-segmentation, yolo-ui-detection", "write more of the name"),
        (
            "segmentation",
            "'segmentation' fits several examples: sam-ui-segmentation, unet-crack-segmentation",
            "write more of the name",
        ),
    ],
)
def test_words_for_none(word: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        catalogue.find(word)
    assert (raised.value.message, raised.value.hint) == (message, hint)


def test_no_examples_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVL_EXAMPLES", str(tmp_path / "examples" / "notes"))
    assert catalogue.folders(catalogue.root()) == []


def test_a_broken_manifest_stays_in_the_catalogue_with_its_reason(root: Path) -> None:
    broken = root / "unet-crack-segmentation" / "example.yaml"
    broken.write_text("name: [")
    found = list(catalogue.entries(root))
    assert [entry.name for entry in found] == list(NAMES)
    assert [entry.example is None for entry in found] == [False, True, False]
    assert found[1].error.startswith(f"{broken}:1: $: not YAML")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], list(NAMES)),
        (["ui"], ["sam-ui-segmentation", "yolo-ui-detection"]),
        (["UI", "yolo"], ["yolo-ui-detection"]),
        (["falls"], list(NAMES)),
        (["pizza"], []),
        (["--task", "object_detection"], list(NAMES)),
        (["--task", "object"], []),
        (["--framework", "pytorch", "crack"], ["unet-crack-segmentation"]),
        (["--framework", "tensorflow"], []),
        (["--stability", "beta"], ["sam-ui-segmentation"]),
    ],
)
def test_list_filters(root: Path, words: list[str], names: list[str]) -> None:
    beta = MANIFEST.format(name="sam-ui-segmentation").replace("stability: stable", "stability: beta")
    (root / "sam-ui-segmentation" / "example.yaml").write_text(beta)
    done = CliRunner().invoke(group, ["list", *words], standalone_mode=False)
    assert done.exception is None, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()] == names


def test_the_table_of_the_catalogue(root: Path) -> None:
    text = MANIFEST.format(name="yolo-ui-detection")
    text = text.replace("A loss that falls", '"Boxes | on\\nscreens"').replace("gpu: 0", "gpu: 1, vram_gb: 8-24")
    (root / "yolo-ui-detection" / "example.yaml").write_text(text)
    (root / "sam-ui-segmentation" / "example.yaml").write_text("")
    lines = tables.catalogue_table(catalogue.entries(root)).splitlines()
    assert lines[0] == "| Example | What it does | Tasks | Frameworks | Needs | Stability | Evidence |"
    assert [line.split("](")[0] for line in lines[2:]] == ["| [unet-crack-segmentation", "| [yolo-ui-detection"]
    assert lines[3] == (
        "| [yolo-ui-detection](examples/yolo-ui-detection/) | Boxes \\| on screens | object_detection | pytorch "
        "| 1 GPU with 8-24 GB (a CPU will do), 1 GB of disk | stable | none |"
    )


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = "a\n<!-- cvl:catalogue -->\nold\n<!-- /cvl:catalogue -->\nb\n"
    assert tables.with_part(text, "catalogue", "new \\1") == text.replace("old", "new \\1")
    assert tables.part(text, "catalogue") == "old"
    assert tables.part(text, "parameters") is None
    assert tables.with_part(text, "parameters", "new") == text
