"""Typed parameters: what a value may be, whose word counts, and how a job reads them."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvl import contract, params
from cvl.errors import UsageError
from cvl.params import Parameter, Setting, Value, Values
from tests.examples_factory import MANIFEST

BATCH = Parameter("BATCH_SIZE", "integer", default=4, minimum=1, maximum=512)
RATE = Parameter("LR", "number", default="1e-3", minimum=0)
EMA = Parameter("EMA", "boolean", default=False)
DECLARED = params.declared(
    {
        "BATCH_SIZE": {"type": "integer", "default": 4, "minimum": 1, "aliases": ["BATCH", "data.batch_size"]},
        "LR": {"type": "number", "default": "1e-3", "minimum": 0},
        "EMA": {"type": "boolean", "default": False},
        "PRECISION": {
            "type": "string",
            "default": "auto",
            "choices": ["auto", "fp16", "fp32"],
            "aliases": [{"name": "training.amp", "values": {True: "fp16", False: "fp32"}}],
        },
        "NAME": {"type": "string"},
    }
)


@pytest.mark.parametrize(
    ("parameter", "raw", "value"),
    [
        (BATCH, "2", 2),
        (BATCH, " +2 ", 2),
        (BATCH, "2\x1f", 2),
        (BATCH, 2.0, 2),
        (BATCH, "1e2", 100),
        (RATE, "1e-4", 1e-4),
        (RATE, 0, 0.0),
        (EMA, "YES", True),
        (EMA, "off", False),
        (EMA, 1, True),
        (Parameter("SEED", "integer"), "12345678901234567891", 12345678901234567891),
        (Parameter("SEED", "integer"), "", None),
        (Parameter("SEED", "integer"), "null", None),
        (Parameter("NAME", "string"), True, "true"),
        (Parameter("SCALE", "number", choices=("0.5", "1")), "1.0", 1.0),
        (Parameter("FAST", "boolean", choices=("true",)), "yes", True),
    ],
)
def test_values(parameter: Parameter, raw: object, value: Value) -> None:
    assert parameter.parse(raw) == value
    assert type(parameter.parse(raw)) is type(value)


@pytest.mark.parametrize(
    ("parameter", "raw", "message"),
    [
        (BATCH, "two", "'two' is not an integer"),
        (BATCH, "2.5", "'2.5' is not an integer"),
        (BATCH, "0", "0 is less than the minimum 1"),
        (BATCH, "-1", "-1 is less than the minimum 1"),
        (BATCH, "513", "513 is more than the maximum 512"),
        (BATCH, "nan", "'nan' is not an integer"),
        (BATCH, "inf", "'inf' is not an integer"),
        (BATCH, "1e400", "'1e400' is not an integer"),
        (BATCH, "", "'' is not an integer"),
        (BATCH, None, "has no value"),
        (BATCH, True, "True is not an integer"),
        (RATE, "fast", "'fast' is not a number"),
        (RATE, math.nan, "nan is not a number"),
        (RATE, "-1e-9", "-1e-09 is less than the minimum 0"),
        (EMA, "2", "'2' is not a boolean (true or false)"),
        (DECLARED["PRECISION"], "fp61", "'fp61' is not one of auto, fp16, fp32, did you mean fp16?"),
        (Parameter("SCALE", "number", choices=("0.5", "1")), "7", "'7' is not one of 0.5, 1"),
    ],
)
def test_values_that_do_not_fit(parameter: Parameter, raw: object, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        parameter.parse(raw)
    assert str(raised.value) == message


@given(st.integers())
def test_integers_survive_their_text(number: int) -> None:
    assert Parameter("SEED", "integer").parse(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_their_text(number: float) -> None:
    assert Parameter("X", "number").parse(str(number)) == number


@given(st.sampled_from(["integer", "number", "boolean", "string", "path"]), st.text() | st.none() | st.floats())
def test_any_value_is_typed_or_refused(kind: str, raw: object) -> None:
    wanted = {"integer": int, "number": float, "boolean": bool, "string": str, "path": str}[kind]
    try:
        value = Parameter("X", kind).parse(raw)
    except ValueError as error:
        assert "is not" in str(error)
    else:
        assert value is None or type(value) is wanted


@pytest.mark.parametrize(
    ("value", "is_path"), [("none", False), ("yolo11n", False), ("a/yolo11n.pt", True), ("", False), (None, False)]
)
def test_words_that_are_no_paths(value: Value, is_path: bool) -> None:
    assert Parameter("WEIGHTS", "path", words=("none", "yolo*")).is_path(value) is is_path


@pytest.mark.parametrize(
    "name", ["BATCH_SIZE", "batch_size", "batch-size", "Batch-Size", "BATCH", "data.batch_size", "data.batch-size"]
)
def test_names_of_one_parameter(name: str) -> None:
    assert params.canonical(DECLARED, name, "2") == ("BATCH_SIZE", "2")


@pytest.mark.parametrize(("said", "meant"), [("true", "fp16"), (True, "fp16"), ("False", "fp32"), ("fp32", "fp32")])
def test_an_alias_may_translate(said: object, meant: str) -> None:
    assert params.canonical(DECLARED, "training.amp", said) == ("PRECISION", meant)


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"unknown parameter BATCHSIZE, did you mean BATCH_SIZE\? \(-e\)"):
        params.collect(DECLARED, {"BATCHSIZE": "2"}.items(), source="-e")
    assert params.collect(DECLARED, {"WANDB_API_KEY": "x", "LR": "1"}.items(), source=".env", strict=False) == {
        "LR": "1"
    }


def test_two_names_of_one_parameter_must_agree() -> None:
    assert params.collect(DECLARED, {"BATCH": "2", "batch_size": 2}.items(), source="config") == {"BATCH_SIZE": 2}
    with pytest.raises(UsageError, match=r"BATCH_SIZE is given twice with different values \(config\)"):
        params.collect(DECLARED, {"BATCH": "2", "data.batch_size": "3"}.items(), source="config")


def test_all_problems_at_once() -> None:
    layers = [("environment", {"BATCH_SIZE": "0", "LR": "fast"}), ("flag", {"EMA": "perhaps"})]
    with pytest.raises(UsageError) as raised:
        params.resolve(DECLARED, layers)
    assert raised.value.message.splitlines() == [
        "BATCH_SIZE: 0 is less than the minimum 1 (environment)",
        "LR: 'fast' is not a number (environment)",
        "EMA: 'perhaps' is not a boolean (true or false)",
    ]


@given(st.lists(st.tuples(st.sampled_from(params.SOURCES[1:]), st.integers(1, 99)), max_size=6))
def test_the_last_layer_counts(layers: list[tuple[str, int]]) -> None:
    found = params.resolve(DECLARED, [(source, {"BATCH_SIZE": value}) for source, value in layers])
    source, value = layers[-1] if layers else ("default", 4)
    assert found["BATCH_SIZE"] == Setting(value, source)


def test_the_environment_counts_exact_names_only() -> None:
    assert params.from_environment(DECLARED, {"lr": "1", "data.batch_size": "2", "HOME": "/"}) == {}
    assert params.from_environment(DECLARED, {"BATCH": "2", "LR": ""}) == {"BATCH_SIZE": "2", "LR": ""}
    assert params.from_environment(DECLARED, {"BATCH": "2", "BATCH_SIZE": "3"}) == {"BATCH_SIZE": "3"}
    two = params.declared({"SIZE": {"type": "integer", "aliases": ["FIRST", "SECOND"]}})
    assert params.from_environment(two, {"SECOND": "2", "FIRST": "1"}) == {"SIZE": "1"}  # as train.sh takes them


@pytest.mark.parametrize(
    ("words", "pairs", "rest"),
    [
        ("--batch-size 2", {"BATCH_SIZE": "2"}, []),
        ("--batch_size=2", {"BATCH_SIZE": "2"}, []),
        ("batch_size=2", {"BATCH_SIZE": "2"}, []),
        ("data.batch_size=2", {"BATCH_SIZE": "2"}, []),
        ("--data.batch-size 2", {"BATCH_SIZE": "2"}, []),
        ("--lr -1", {"LR": "-1"}, []),
        ("--name=", {"NAME": ""}, []),
        ("--name a=b", {"NAME": "a=b"}, []),
        ("--ema", {"EMA": "true"}, []),
        ("--no-ema", {"EMA": "false"}, []),
        ("--ema off picture.png", {"EMA": "off"}, ["picture.png"]),
        ("--ema picture.png", {"EMA": "true"}, ["picture.png"]),
        ("--training.amp", {"PRECISION": "fp16"}, []),
        ("--no-training.amp", {"PRECISION": "fp32"}, []),
        ("picture.png -v --verbose", {}, ["picture.png", "-v", "--verbose"]),
        ("--lr 1 --lr 1", {"LR": "1"}, []),
        ("", {}, []),
    ],
)
def test_arguments(words: str, pairs: dict[str, object], rest: list[str]) -> None:
    assert params.from_arguments(DECLARED, words.split()) == (pairs, rest)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--batch-sise 2", "unknown parameter --batch-sise, did you mean BATCH_SIZE?"),
        ("batch_sise=2", "unknown parameter batch_sise=2, did you mean BATCH_SIZE?"),
        ("--lr", "--lr needs a value"),
        ("--lr 1 lr=2", "LR is given twice with different values (flag)"),
        ("--ema --no-ema", "EMA is given twice with different values (flag)"),
    ],
)
def test_arguments_that_do_not_fit(words: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        params.from_arguments(DECLARED, words.split())
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BATCH_SIZE: 2\nlr: 1e-4\n", {"BATCH_SIZE": 2, "lr": "1e-4"}),
        ("data:\n  batch_size: 2\n  deep: {er: 1}\n", {"data.batch_size": 2, "data.deep.er": 1}),
        ("image_size: [480, 640]\nflags: [true]\n", {"image_size": "480,640", "flags": "true"}),
        ("x-note: {a: 1}\nlr: null\n", {"lr": None}),
    ],
)
def test_config_files(text: str, found: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert params.read_config(tmp_path / "config.yaml") == found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n", "expected a mapping of parameters, found list"),
        (b"", "expected a mapping of parameters, found NoneType"),
        (b"a: [", "not readable as YAML"),
        (b"a: \xe9", "not readable as YAML"),
        (b"a: 2024-13-45", "not readable as YAML"),
        (b"a: " + b"9" * 5000, "not readable as YAML"),
        (b"a: &a {b: *a}", "contains itself"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: !!python/object/apply:os.getcwd []", "not readable as YAML"),
    ],
)
def test_config_files_that_do_not_fit(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UsageError) as raised:
        params.read_config(tmp_path / "config.yaml")
    assert raised.value.message.startswith(f"--config {tmp_path / 'config.yaml'}: ")
    assert message in raised.value.message


def test_a_config_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        params.read_config(tmp_path / "config.yaml")


def test_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# a comment\n\nLR=0.1  # a comment\nexport BATCH_SIZE = 2\nNAME='a # b'\nEMPTY=\nnot a setting\nURL=a#b\n"
    )
    assert params.read_dotenv(tmp_path / ".env") == {
        "LR": "0.1",
        "BATCH_SIZE": "2",
        "NAME": "a # b",
        "EMPTY": "",
        "URL": "a#b",
    }
    assert params.read_dotenv(tmp_path / "none") == {}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """train.py beside a manifest, with nothing set."""
    for name in ("NUM_EPOCHS", "EPOCHS", "BATCH_SIZE", "LR", "OUTPUT_DIR", contract.PARAM_SOURCES):
        monkeypatch.delenv(name, raising=False)
    text = MANIFEST.format(name="toy").replace("default: 4,", "default: 4, device_defaults: {cuda: 16},")
    (tmp_path / "example.yaml").write_text(text)
    return str(tmp_path / "train.py")


def test_a_job_reads_defaults_of_its_device(script: str) -> None:
    assert params.load(script, argv=[]).as_dict() == {"NUM_EPOCHS": 30, "BATCH_SIZE": 4, "LR": 0.1, "OUTPUT_DIR": None}
    on_gpu = params.load(script, device="cuda", argv=[])
    assert on_gpu.settings["BATCH_SIZE"] == Setting(16, "device")


def test_a_job_reads_config_environment_and_flags(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more.yaml").write_text("NUM_EPOCHS: 1\nBATCH_SIZE: 1\nLR: 1\n")
    monkeypatch.setenv("EPOCHS", "2")
    monkeypatch.setenv("BATCH_SIZE", "2")
    values = params.load(script, argv=["--config", str(tmp_path / "more.yaml"), "--batch-size", "3", "picture.png"])
    assert values.settings["LR"] == Setting(1.0, "config")
    assert values.settings["NUM_EPOCHS"] == Setting(2, "environment")
    assert values.settings["BATCH_SIZE"] == Setting(3, "flag")
    assert values.extra == ("picture.png",)


def test_a_job_keeps_the_sources_that_the_host_names(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"BATCH_SIZE": "preset", "LR": "config", "GONE": "flag", "NUM_EPOCHS": "preset"}
    monkeypatch.setenv(contract.PARAM_SOURCES, json.dumps(sources))
    monkeypatch.setenv("BATCH_SIZE", "2")
    monkeypatch.setenv("LR", "0.5")
    values = params.load(script, argv=["--lr", "0.25"])
    assert values.settings["BATCH_SIZE"] == Setting(2, "preset")
    assert values.settings["LR"] == Setting(0.25, "flag")
    assert values.settings["NUM_EPOCHS"].source == "default"


def test_a_job_refuses_unknown_options(script: str) -> None:
    with pytest.raises(UsageError, match=r"unknown option --pizza"):
        params.load(script, argv=["--pizza"])


def test_values_can_be_copied_and_sent_to_other_processes() -> None:
    values = Values({"LR": Setting(0.1, "default")}, ["word"])
    for other in (copy.deepcopy(values), pickle.loads(pickle.dumps(values))):
        assert (other.LR, other.extra) == (0.1, ("word",))


def test_an_undeclared_value_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"no parameter LR in example\.yaml"):
        _ = Values({}).LR
