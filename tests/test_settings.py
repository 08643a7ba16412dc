"""What the user set, from everywhere one may set something: whose word counts, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cvl import manifest, settings
from cvl.errors import UsageError
from cvl.manifest import Example
from cvl.params import Setting
from cvl.settings import Given

MANIFEST = """\
name: toy
capability: perception/object_detection
stability: stable
tasks: [object_detection]
frameworks: [pytorch]
description: A toy
presets:
  train: {command: [python, train.py], description: Train}
  smoke: {command: [python, train.py], env: {BATCH_SIZE: 2, EPOCHS: 12}, description: Short}
parameters:
  BATCH_SIZE:
    type: integer
    default: 16
    minimum: 1
    description: Images
    aliases: [data.batch_size]
    device_defaults: {cpu: 4}
  NUM_EPOCHS: {type: integer, default: 30, minimum: 1, description: Epochs, aliases: [EPOCHS, training.epochs]}
  LR: {type: number, default: 1e-3, minimum: 0, description: Learning rate}
  EMA: {type: boolean, default: false, description: Averaged weights}
  EMBED_DIM: {type: integer, default: 64, description: Width, aliases: [model.encoder.embed_dim]}
  SEED: {type: integer, default: 0, description: Seed, affects_result: false}
  SAMPLES: {type: integer, default: 16, description: Pictures, presets: [smoke], device_defaults: {cuda: 64}}
  WEIGHTS: {type: path, default: none, words: [none, "yolo*"], description: Start}
  DATA_DIR: {type: path, description: Data}
  OUTPUT_DIR: {type: path, description: Run folder}
secrets: [WANDB_API_KEY]
"""


@pytest.fixture
def example(tmp_path: Path) -> Example:
    (tmp_path / "toy").mkdir(exist_ok=True)
    (tmp_path / "toy" / "example.yaml").write_text(MANIFEST)
    return manifest.load(tmp_path / "toy" / "example.yaml")


def gather(example: Example, preset: str = "train", *, environ: Mapping[str, str] | None = None, **given: object):
    return settings.gather(example, example.presets[preset], Given(**given), environ or {})


def refused(example: Example, **words: object) -> str:
    with pytest.raises(UsageError) as raised:
        gather(example, **words)
    assert raised.value.hint or "twice" in raised.value.message
    return raised.value.message


def layers(example: Example, batch: Mapping[str, int]) -> dict[str, object]:
    """The arguments of `gather` that set BATCH_SIZE in each of the named places."""
    folder, found = example.folder, {}
    (folder / ".env").unlink(missing_ok=True)
    if "config" in batch:
        (folder / "config.yaml").write_text(f"data: {{batch_size: {batch['config']}}}")
        found["config"] = folder / "config.yaml"
    if ".env" in batch:
        (folder / ".env").write_text(f"BATCH_SIZE={batch['.env']}\nWANDB_API_KEY=x\n")
    if "environment" in batch:
        found["environ"] = {"BATCH_SIZE": str(batch["environment"])}
    if "-e" in batch:
        found["assignments"] = (f"batch_size={batch['-e']}",)
    if "flag" in batch:
        found["arguments"] = ("--batch-size", str(batch["flag"]))
    return found


ORDER = ("config", ".env", "environment", "-e", "flag")


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.sets(st.sampled_from(ORDER)), preset=st.sampled_from(["train", "smoke"]))
def test_the_most_binding_place_counts(example: Example, places: set[str], preset: str) -> None:
    batch = {place: 100 + ORDER.index(place) for place in places}
    found, extra = gather(example, preset, **layers(example, batch))
    usual = Setting(2, "preset") if preset == "smoke" else Setting(16, "default")
    wanted = max(places, key=ORDER.index, default="")
    assert found["BATCH_SIZE"] == (Setting(batch[wanted], wanted) if wanted else usual)
    assert extra == ()


def test_the_preset_may_use_an_alias(example: Example) -> None:
    assert gather(example, "smoke")[0]["NUM_EPOCHS"] == Setting(12, "preset")


def test_defaults_of_a_device_are_the_jobs_to_choose(example: Example) -> None:
    assert gather(example)[0]["BATCH_SIZE"] == Setting(16, "default")
    assert settings.nominal(example, example.presets["train"], "cpu")["BATCH_SIZE"] == Setting(4, "device")
    assert settings.nominal(example, example.presets["smoke"], "cpu")["BATCH_SIZE"] == Setting(2, "preset")
    assert settings.nominal(example, example.presets["train"], "cuda")["BATCH_SIZE"] == Setting(16, "default")


def test_a_run_that_is_gone_on_with_keeps_what_was_set(example: Example) -> None:
    found, _ = gather(example, "smoke", earlier={"BATCH_SIZE": 8, "LR": 0.5}, environ={"LR": "0.25"})
    assert found["BATCH_SIZE"] == Setting(8, "earlier run")
    assert found["LR"] == Setting(0.25, "environment")


@pytest.mark.parametrize(
    "words",
    [
        {"environ": {"BATCH_SIZE": "2"}},
        {"assignments": ("BATCH_SIZE=2",)},
        {"assignments": ("data.batch_size=2",)},
        {"arguments": ("--batch-size", "2")},
        {"arguments": ("--batch_size=2",)},
        {"arguments": ("batch_size=2",)},
        {"arguments": ("data.batch_size=2",)},
    ],
)
def test_every_spelling_means_the_same(example: Example, words: dict[str, object]) -> None:
    assert gather(example, **words)[0]["BATCH_SIZE"].value == 2


@pytest.mark.parametrize("text", ["EMBED_DIM: 96", "model.encoder.embed_dim: 96", "model: {encoder: {embed_dim: 96}}"])
def test_config_flat_dotted_and_nested(example: Example, text: str) -> None:
    (example.folder / "config.yaml").write_text(text)
    found, _ = gather(example, config=example.folder / "config.yaml")
    assert found["EMBED_DIM"] == Setting(96, "config")


@pytest.mark.parametrize(
    ("environ", "epochs"),
    [
        ({"EPOCHS": "3"}, Setting(3, "environment")),
        ({"EPOCHS": "3", "NUM_EPOCHS": "5"}, Setting(5, "environment")),
        ({"num_epochs": "3", "training.epochs": "4"}, Setting(30, "default")),
    ],
)
def test_aliases_in_the_environment(example: Example, environ: dict[str, str], epochs: Setting) -> None:
    assert gather(example, environ=environ)[0]["NUM_EPOCHS"] == epochs


@pytest.mark.parametrize("value", ["two", "0", "-1", "nan", "inf", "1.5", "", " "])
@pytest.mark.parametrize("source", ["environment", "-e", "flag", ".env", "config"])
def test_a_bad_value_is_refused_with_its_source(example: Example, value: str, source: str) -> None:
    words: dict[str, object] = {}
    if source == ".env":
        (example.folder / ".env").write_text(f"BATCH_SIZE='{value}'\n")
    elif source == "config":
        (example.folder / "config.yaml").write_text(f"BATCH_SIZE: '{value}'\n")
        words = {"config": example.folder / "config.yaml"}
    elif source == "environment":
        words = {"environ": {"BATCH_SIZE": value}}
    elif source == "-e":
        words = {"assignments": (f"BATCH_SIZE={value}",)}
    else:
        words = {"arguments": (f"--batch-size={value}",)}
    message = refused(example, **words)
    assert message.startswith("BATCH_SIZE: ")
    assert message.endswith(f"({source})" if source != "flag" else ("integer", "minimum 1"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"assignments": ("BATCH_SIZE",)}, "-e BATCH_SIZE: expected KEY=VALUE"),
        ({"assignments": ("=2",)}, "-e =2: expected KEY=VALUE"),
        ({"assignments": ("BATCHSIZE=2",)}, "unknown parameter BATCHSIZE, did you mean BATCH_SIZE? (-e)"),
        ({"assignments": ("BATCH_SIZE=2", "BATCH_SIZE=3")}, "BATCH_SIZE is given twice with different values (-e)"),
        ({"assignments": ("EPOCHS=2", "NUM_EPOCHS=3")}, "NUM_EPOCHS is given twice with different values (-e)"),
        ({"arguments": ("--batch-sise", "2")}, "unknown parameter --batch-sise, did you mean BATCH_SIZE?"),
        ({"arguments": ("--epochs", "2", "num_epochs=3")}, "NUM_EPOCHS is given twice with different values (flag)"),
        ({"resume": Path("x")}, "toy takes no --resume"),
    ],
)
def test_refused(example: Example, words: dict[str, object], message: str) -> None:
    assert refused(example, **words) == message


def test_an_unknown_key_of_a_config_file(example: Example) -> None:
    (example.folder / "config.yaml").write_text("x-note: mine\nBATCH_SIZE: 2\noptimiser: adam\n")
    assert refused(example, config=example.folder / "config.yaml") == "unknown parameter optimiser (config)"


def test_every_problem_of_every_place_at_once(example: Example) -> None:
    (example.folder / ".env").write_text("LR=fast\n")
    message = refused(example, environ={"BATCH_SIZE": "0"}, assignments=("EMA=perhaps",))
    assert message.splitlines() == [
        "LR: 'fast' is not a number (.env)",
        "BATCH_SIZE: 0 is less than the minimum 1 (environment)",
        "EMA: 'perhaps' is not a boolean (true or false) (-e)",
    ]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [(("--ema",), True), (("--no-ema",), False), (("--ema", "off"), False), (("ema=1",), True), ((), False)],
)
def test_switches(example: Example, arguments: tuple[str, ...], value: bool) -> None:
    assert gather(example, arguments=arguments)[0]["EMA"].value is value


def test_other_words_go_to_the_example_verbatim(example: Example) -> None:
    words = ("picture one.png", "--verbose", "-x", "key=value", "--batch-size", "2", "$HOME")
    found, extra = gather(example, arguments=words)
    assert extra == ("picture one.png", "--verbose", "-x", "key=value", "$HOME")
    assert found["BATCH_SIZE"] == Setting(2, "flag")


def test_data_is_a_parameter(example: Example) -> None:
    assert gather(example, data=Path("mine"))[0]["DATA_DIR"] == Setting("mine", "flag")


def test_paths_become_absolute_and_must_exist(example: Example, tmp_path: Path) -> None:
    (tmp_path / "best.pt").touch()
    found, _ = gather(example, assignments=("WEIGHTS=best.pt", "OUTPUT_DIR=not/yet"))
    located = settings.locate(example, found, tmp_path)
    assert located["WEIGHTS"] == Setting(str(tmp_path / "best.pt"), "-e")
    assert located["OUTPUT_DIR"] == Setting(str(tmp_path / "not/yet"), "-e")
    found, _ = gather(example, assignments=("WEIGHTS=worst.pt",))
    with pytest.raises(UsageError) as raised:
        settings.locate(example, found, tmp_path)
    assert raised.value.message == "WEIGHTS: worst.pt does not exist"
    assert raised.value.hint == "WEIGHTS takes a path, or one of: none, yolo*"


@pytest.mark.parametrize("word", ["none", "yolo11n"])
def test_words_that_are_no_paths_stay_as_they_are(example: Example, tmp_path: Path, word: str) -> None:
    found, _ = gather(example, assignments=(f"WEIGHTS={word}",))
    assert settings.locate(example, found, tmp_path)["WEIGHTS"] == Setting(word, "-e")


def test_what_changed_against_the_preset(example: Example) -> None:
    words = ("BATCH_SIZE=8", "LR=0.001", "SEED=7", "OUTPUT_DIR=x")
    found, _ = gather(example, "smoke", assignments=words, environ={"EMA": "true"})
    assert settings.changed(example, example.presets["smoke"], found, "cpu") == {
        "BATCH_SIZE": "BATCH_SIZE is 8, not 2",
        "EMA": "EMA is True, not False",
    }


@pytest.mark.parametrize("words", [{"assignments": ("SAMPLES=2",)}, {"arguments": ("--samples", "2")}])
def test_what_was_asked_of_a_preset_that_does_not_use_it_is_refused(example: Example, words: dict[str, object]) -> None:
    found, _ = gather(example, **words)
    with pytest.raises(UsageError) as raised:
        settings.without_idle(example, example.presets["train"], found)
    assert raised.value.message == "train does not use SAMPLES, but smoke does"
    assert raised.value.hint == "`cvl info toy train` lists what it uses"
    found, _ = gather(example, "smoke", **words)
    assert settings.without_idle(example, example.presets["smoke"], found) == (found, {})


@pytest.mark.parametrize("source", ["environment", "config", ".env"])
def test_what_lies_about_for_other_presets_is_said_and_left_out(example: Example, source: str) -> None:
    if source == ".env":
        (example.folder / ".env").write_text("SAMPLES=2\nBATCH_SIZE=3\n")
    (example.folder / "config.yaml").write_text("{SAMPLES: 2, BATCH_SIZE: 3}")
    config = example.folder / "config.yaml" if source == "config" else None
    environ = {"SAMPLES": "2", "BATCH_SIZE": "3"} if source == "environment" else {}
    found, _ = gather(example, environ=environ, config=config)
    kept, said = settings.without_idle(example, example.presets["train"], found)
    assert said == {"SAMPLES": f"train does not use SAMPLES, but smoke does ({source})"}
    assert kept["SAMPLES"] == Setting(16, "default") and kept["BATCH_SIZE"] == Setting(3, source)
    assert settings.changed(example, example.presets["train"], found, "cpu").keys() == {"BATCH_SIZE"}


def test_what_is_in_force(example: Example) -> None:
    found, _ = gather(example, "smoke", assignments=("LR=0.5",), environ={"EMA": "true", "OUTPUT_DIR": "x"})
    assert settings.in_force(example, example.presets["smoke"], found) == [
        ("-e", "LR=0.5"),
        ("environment", "EMA=true"),
        ("preset", "BATCH_SIZE=2, NUM_EPOCHS=12"),
        ("default", "EMBED_DIM=64, SEED=0, SAMPLES=16 (cuda 64), WEIGHTS=none"),
        ("unset", "DATA_DIR"),
    ]
    found, _ = gather(example)
    assert "SAMPLES" not in str(settings.in_force(example, example.presets["train"], found))
