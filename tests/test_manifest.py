"""Manifests as files: good ones load, bad ones are refused with every problem and its line; never a traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvl import manifest, schema
from cvl.cli import group
from cvl.errors import ManifestError, UsageError
from cvl.manifest import Example
from tests.examples_factory import make_example

CASES = Path(__file__).parent / "manifests"
POSITIVE = sorted((CASES / "positive").glob("*.yaml"))
NEGATIVE = sorted((CASES / "negative").glob("*.yaml"))
REPOSITORY = CASES.parents[1]
SMALLEST = (CASES / "positive" / "smallest.yaml").read_bytes()


def stem(path: Path) -> str:
    return path.stem


def placed(case: Path, tmp_path: Path) -> Path:
    """The case as examples/toy/example.yaml."""
    folder = tmp_path / "examples" / "toy"
    folder.mkdir(parents=True)
    return Path(shutil.copy(case, folder / "example.yaml"))


def load(case: str, tmp_path: Path) -> Example:
    return manifest.load(placed(CASES / "positive" / f"{case}.yaml", tmp_path))


def problems(path: Path) -> list[str]:
    with pytest.raises(ManifestError) as raised:
        manifest.load(path)
    lines = raised.value.message.splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_every_case_is_collected() -> None:
    assert (len(POSITIVE), len(NEGATIVE)) == (10, 33)
    assert sorted(path.stem for path in (CASES / "negative").glob("*.txt")) == sorted(map(stem, NEGATIVE))


@pytest.mark.parametrize("case", POSITIVE, ids=stem)
def test_good(case: Path, tmp_path: Path) -> None:
    assert manifest.load(placed(case, tmp_path)).name == "toy"


@pytest.mark.parametrize("case", NEGATIVE, ids=stem)
def test_bad(case: Path, tmp_path: Path) -> None:
    assert problems(placed(case, tmp_path)) == case.with_suffix(".txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "1: $: nested deeper than 100 levels"),
        (b"{a: " * 100_000, "1: $: nested deeper than 100 levels"),
        (b"- " * 100_000, "1: $: nested deeper than 100 levels"),
        (b"x-a: 1\n" * 300_000, "1: $: larger than 1 MiB"),
        (b"x-a: [" + b"1," * 60_000 + b"1]\n", "1: $: more than 50000 values once its aliases are followed"),
        (b"x-a: " + b"9" * 5_000 + b"\n", f"1: $.x-a: '{'9' * 40}' is not a valid int"),
        (b"name: \0\n", "1: $: not YAML: the control character #x00"),
        (
            SMALLEST + b"minimum_cvl: '" + b"9" * 5_000 + b"'\n",
            f"9: $.minimum_cvl: '{'9' * 79}… is not a version such as 0.1",
        ),
    ],
    ids=["flow sequences", "flow mappings", "block sequences", "2 MiB", "values", "digits", "null byte", "version"],
)
def test_hostile(content: bytes, message: str, tmp_path: Path) -> None:
    path = placed(POSITIVE[0], tmp_path)
    path.write_bytes(content)
    assert problems(path) == [message]


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "toy" / "example.yaml"
    path.mkdir(parents=True)
    assert problems(path) == ["1: $: cannot be read: Is a directory"]


@pytest.mark.parametrize("name", ["billion-laughs", "latin-1", "unknown-keys"])
def test_every_command_refuses_a_bad_manifest_and_shows_the_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES / "negative" / f"{name}.yaml"
    path = placed(case, tmp_path)
    make_example(path.parents[1], "whole")
    monkeypatch.chdir(tmp_path)
    wanted = case.with_suffix(".txt").read_text(encoding="utf-8").splitlines()

    for words in (["info", "toy"], ["run", "toy", "train"]):
        refused = CliRunner().invoke(group, words, standalone_mode=False)
        assert isinstance(refused.exception, ManifestError), refused.output
        assert refused.exception.exit_code == 2
        assert refused.exception.message.splitlines() == [f"{path}:{line}" for line in wanted]

    checked = CliRunner().invoke(group, ["verify"], standalone_mode=False)
    assert (checked.return_value, checked.exception) == (1, None), checked.output
    for line in wanted:
        assert f"  ✗ manifest    examples/toy/example.yaml:{line}" in checked.stdout.splitlines()
    whole = checked.stdout.partition("examples/whole\n")[2]
    assert "  ✓ manifest" in whole and "✗" not in whole

    listed = CliRunner().invoke(group, ["list"], standalone_mode=False)
    assert listed.exception is None
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [["toy", "BROKEN"], ["whole", "stable"]]


@pytest.mark.parametrize(("command", "code"), [("verify", 1), ("info", 2), ("list", 0)])
def test_exit_codes_of_the_process(command: str, code: int, tmp_path: Path) -> None:
    placed(CASES / "negative" / "billion-laughs.yaml", tmp_path)
    words = [sys.executable, "-m", "cvl", command, *(["toy"] if command != "list" else [])]
    environ = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "more than 50000 values" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_documented_form_says_all_it_says(tmp_path: Path) -> None:
    example = load("documented-cvlization-form", tmp_path)
    assert example.capability == "perception/object_detection"
    assert example.modalities == ("vision", "text")
    assert example.datasets == ("ui-screens",)
    assert (example.resources.gpu, example.resources.vram_gb, example.resources.disk_gb) == (1, "8-24", "5-50")
    assert {name: preset.script for name, preset in example.presets.items()} == {
        "build": "build.sh",
        "train": "train.sh",
    }
    assert example.tags == ("framework-name", "model-architecture")
    assert example.frameworks == ("pytorch", "tensorflow")
    assert example.parameters == {}


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    example = load("smallest", tmp_path)
    assert example.resources == manifest.Resources(gpu=0, vram_gb="", disk_gb="", shm_gb=2.0, cpu_ok=True)
    assert (example.license, example.requirements, example.secrets, example.tags) == ("", "", (), ())


def test_numbers_written_as_strings_count(tmp_path: Path) -> None:
    rate = load("numbers-as-strings", tmp_path).parameters["LR"]
    assert (rate.parse(rate.default), rate.minimum, rate.maximum) == (1e-4, 0.0, 1e3)


def test_a_merge_takes_what_it_does_not_say_itself(tmp_path: Path) -> None:
    smoke = load("anchors-and-merges", tmp_path).presets["smoke"]
    assert (smoke.command, smoke.description) == (("python", "train.py"), "A short run")


def test_true_as_an_alias_is_the_word_that_users_type(tmp_path: Path) -> None:
    (alias,) = load("every-type", tmp_path).parameters["PRECISION"].aliases
    assert alias.values == {"true": "fp16", "false": "fp32"}


def test_a_preset_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"toy has no preset 'trian', did you mean 'train'\?") as raised:
        manifest.preset(load("smallest", tmp_path), "trian")
    assert raised.value.hint == "its presets are: train"


def described(node: object, at: str = "$") -> list[str]:
    """Properties of the schema without a description of their own or of what they refer to."""
    if isinstance(node, list):
        return [path for i, item in enumerate(node) for path in described(item, f"{at}[{i}]")]
    if not isinstance(node, dict):
        return []
    own = [f"{at}.{name}" for name, value in node.get("properties", {}).items() if "description" not in value]
    return own + [path for key, value in node.items() for path in described(value, f"{at}.{key}")]


def test_every_property_of_the_schema_is_described() -> None:
    inlined = schema._validator().schema
    assert len(inlined["properties"]) > 15
    assert described(inlined) == []


def test_check_jsonschema_agrees() -> None:
    """An editor or a hook that uses the schema alone accepts what we accept."""
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema.path())]
    good = subprocess.run([*command, *map(str, POSITIVE)], capture_output=True, text=True)
    assert good.returncode == 0, good.stdout
    bad = subprocess.run([*command, str(CASES / "negative" / "wrong-types.yaml")], capture_output=True, text=True)
    assert bad.returncode == 1


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "name",
        "presets",
        "parameters",
        "resources",
        "tasks",
        "experiments",
        "environment",
        "data",
        "minimum_cvl",
        "secrets",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, ANYTHING, min_size=1, max_size=3))
def test_any_value_anywhere_is_a_message_or_an_example(changes: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir(exist_ok=True)
    base = yaml.safe_load((CASES / "positive" / "every-type.yaml").read_text())
    (folder / "example.yaml").write_text(yaml.safe_dump({**base, **changes}, allow_unicode=True), encoding="utf-8")
    example, found = manifest.examine(folder / "example.yaml")
    assert (example is None) == bool(found)
    assert all(line > 0 and problem.message for line, problem in found)
