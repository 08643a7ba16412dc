"""What the user set, from everywhere one may set something, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cvl import contract, params
from cvl.errors import UsageError
from cvl.manifest import Example, Preset
from cvl.params import Parameter, Setting

OWN = params.SOURCES[:3]


@dataclass(frozen=True)
class Given:
    """The command line's part of the settings."""

    config: Path | None = None
    assignments: tuple[str, ...] = ()  # -e KEY=VALUE
    arguments: tuple[str, ...] = ()  # after `--`
    data: Path | None = None
    resume: Path | None = None
    earlier: Mapping[str, object] = field(default_factory=dict)  # parameters of the run that is gone on with


def gather(
    example: Example, preset: Preset, given: Given, environ: Mapping[str, str]
) -> tuple[dict[str, Setting], tuple[str, ...]]:
    """Every parameter with its value and source, and the words that go to the example verbatim."""
    declared = example.parameters
    flags, extra = params.from_arguments(declared, given.arguments)
    for option, name, path in (("--data", contract.DATA_DIR, given.data), ("--resume", contract.RESUME, given.resume)):
        if path is not None and name not in declared:
            raise UsageError(f"{example.name} takes no {option}", hint=f"see `cvl info {example.name}`")
        if path is not None:
            flags[name] = str(path)
    config = params.read_config(given.config) if given.config else {}
    dotenv = params.read_dotenv(example.folder / ".env")
    layers: list[tuple[str, Mapping[str, object]]] = [
        ("preset", params.collect(declared, preset.env.items(), source="preset")),
        ("earlier run", given.earlier),
        ("config", params.collect(declared, config.items(), source="config")),
        (".env", params.collect(declared, dotenv.items(), source=".env", strict=False)),
        ("environment", params.from_environment(declared, environ)),
        ("-e", params.collect(declared, _assignments(given.assignments), source="-e")),
        ("flag", flags),
    ]
    return params.resolve(declared, layers), tuple(extra)


def uses(preset: Preset, parameter: Parameter) -> bool:
    """Whether the preset reads it."""
    return not parameter.presets or preset.name in parameter.presets


def without_idle(
    example: Example, preset: Preset, settings: Mapping[str, Setting]
) -> tuple[dict[str, Setting], dict[str, str]]:
    """`settings` with the default of what the user set and `preset` does not use, and a line about each by name.

    UsageError where it was said of this run alone: by -e, a flag, --data or --resume.
    """
    idle = [p for p in example.parameters.values() if not uses(preset, p) and settings[p.name].source not in OWN]
    sources = {p.name: settings[p.name].source for p in idle}
    lines = {p.name: f"{preset.name} does not use {p.name}, but {_all(p.presets)}" for p in idle}
    if said := [line for name, line in lines.items() if sources[name] in ("-e", "flag")]:
        hint = f"`cvl info {example.name} {preset.name}` lists what it uses"
        raise UsageError("\n".join(said), hint=hint)
    defaults = {p.name: Setting(p.parse(p.default), "default") for p in idle}
    return {**settings, **defaults}, {name: f"{line} ({sources[name]})" for name, line in lines.items()}


def in_force(example: Example, preset: Preset, settings: Mapping[str, Setting]) -> list[tuple[str, str]]:
    """(source, `NAME=value, …`) of what the preset uses, most binding first; at last what is unset."""
    rows: dict[str, list[str]] = {source: [] for source in (*reversed(params.SOURCES), "unset")}
    for name, parameter in example.parameters.items():
        setting = settings[name]
        if name == contract.OUTPUT_DIR or not uses(preset, parameter):
            continue
        if setting.value is None:
            rows["unset"].append(name)
            continue
        by_device = parameter.device_defaults.items() if setting.source == "default" else ()
        also = "".join(f" ({device} {value})" for device, value in by_device)
        rows[setting.source].append(f"{name}={params.as_word(setting.value)}{also}")
    return [(source, ", ".join(words)) for source, words in rows.items() if words]


def locate(example: Example, settings: Mapping[str, Setting], cwd: Path) -> dict[str, Setting]:
    """`settings` with the user's paths made absolute; UsageError where one does not exist."""
    return {name: _located(example.parameters[name], setting, cwd) for name, setting in settings.items()}


def _located(parameter: Parameter, setting: Setting, cwd: Path) -> Setting:
    if setting.source in OWN or not parameter.is_path(setting.value):
        return setting
    path = (cwd / str(setting.value)).absolute()
    if parameter.name != contract.OUTPUT_DIR and not path.exists():
        words = f"a path, or one of: {', '.join(parameter.words)}" if parameter.words else "a path that exists"
        raise UsageError(f"{parameter.name}: {setting.value} does not exist", hint=f"{parameter.name} takes {words}")
    return Setting(str(path), setting.source)


def nominal(example: Example, preset: Preset, device: str) -> dict[str, Setting]:
    """The parameters of a preset that nobody changed, on `device` (cpu or cuda)."""
    by_device = params.of_device(example.parameters, device)
    own = params.collect(example.parameters, preset.env.items(), source="preset")
    return params.resolve(example.parameters, [("device", by_device), ("preset", own)])


def counts(example: Example, name: str) -> bool:
    """Whether the parameter `name` affects the result."""
    return name not in (contract.OUTPUT_DIR, contract.RESUME) and example.parameters[name].affects_result


def changed(example: Example, preset: Preset, settings: Mapping[str, Setting], device: str) -> dict[str, str]:
    """Parameters that affect the result and left the preset's own values: name -> what changed, in words."""
    found = {}
    for name, usual in nominal(example, preset, device).items():
        setting = settings.get(name, usual)
        matters = counts(example, name) and uses(preset, example.parameters[name])
        if not matters or setting.source in OWN or setting.value == usual.value:
            continue
        found[name] = f"{name} is {setting.value}, not {'unset' if usual.value is None else usual.value}"
    return found


def _all(presets: Sequence[str]) -> str:
    *more, last = presets
    return f"{', '.join(more)} and {last} do" if more else f"{last} does"


def _assignments(words: Sequence[str]) -> Iterator[tuple[str, object]]:
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"-e {word}: expected KEY=VALUE", hint="for example -e BATCH_SIZE=2")
        yield name, value
