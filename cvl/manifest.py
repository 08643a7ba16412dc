"""example.yaml: read, checked against the schema, and turned into frozen dataclasses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvl import contract, document, params, rules, schema
from cvl.document import Document, Location, Problem
from cvl.errors import ManifestError, UsageError


@dataclass(frozen=True)
class Preset:
    """A command for the engine; without one, a script for the host."""

    name: str
    command: tuple[str, ...] = ()
    script: str = ""
    env: Mapping[str, object] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Resources:
    """What a run needs; memory and disk as the manifest says them, in GB."""

    gpu: int = 0
    vram_gb: str = ""
    disk_gb: str = ""
    shm_gb: float = 2.0
    cpu_ok: bool = True


@dataclass(frozen=True)
class Example:
    """A manifest that passed every check."""

    name: str
    folder: Path
    capability: str
    stability: str
    description: str
    presets: Mapping[str, Preset]
    resources: Resources
    modalities: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    license: str = ""
    requirements: str = ""
    setup: str = ""
    data_formats: tuple[str, ...] = ()
    sample: str = ""
    inspect: str = ""  # the preset that shows what is wrong with the data
    parameters: Mapping[str, params.Parameter] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    experiments: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    verification: rules.Verification = field(default_factory=lambda: rules.parse({}))


def load(path: Path) -> Example:
    """The example of the manifest at `path`; ManifestError carries every problem as `path:line: $.key: what`."""
    example, problems = examine(path)
    if example is None:
        shown = [f"{path}:{line}: {problem}" for line, problem in problems]
        raise ManifestError("\n".join(shown), hint="schemas/example.schema.json describes every key")
    return example


def examine(path: Path) -> tuple[Example | None, list[tuple[int, Problem]]]:
    """The example of the manifest at `path`, or every problem with its line, in order."""
    found = document.read(path)
    problems = list(found.problems) or list(_check(found.data, path))
    if problems:
        return None, sorted((found.line(problem.location), problem) for problem in problems)
    return _example(found, path.parent), []


def _check(data: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(data, dict):
        yield Problem((), f"expected a mapping of keys, found {schema.kind(data)}")
        return
    too_old = _needs_newer(data.get("minimum_cvl"))
    if too_old:
        yield Problem(("minimum_cvl",), too_old)
        return
    schema_problems = list(schema.problems(data))
    yield from schema_problems
    if data.get("name") != path.absolute().parent.name and isinstance(data.get("name"), str):
        yield Problem(("name",), f"{data['name']!r} differs from its folder {path.absolute().parent.name!r}")
    if not schema_problems:
        yield from _check_meaning(data)


def _check_meaning(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What the schema cannot say: defaults fit their types, names refer to something declared."""
    parameters = params.declared(data.get("parameters", {}))
    for parameter in parameters.values():
        yield from _check_parameter(parameter, data["presets"])
    yield from _check_names(parameters)
    inspect = data.get("data", {}).get("inspect")
    if inspect and inspect not in data["presets"]:
        near = schema.did_you_mean(inspect, data["presets"])
        yield Problem(("data", "inspect"), f"there is no preset {inspect!r}{near}")
    for name, preset in data["presets"].items():
        yield from _check_settings(parameters, preset.get("env", {}), ("presets", name, "env"))
    for name, settings in data.get("experiments", {}).items():
        yield from _check_settings(parameters, settings, ("experiments", name))
    for location, message in rules.problems(data.get("verification", {}), tuple(parameters), tuple(data["presets"])):
        yield Problem(("verification", *location), message)


def _check_parameter(parameter: params.Parameter, presets: Mapping[str, Any]) -> Iterator[Problem]:
    at: Location = ("parameters", parameter.name)
    given: list[tuple[Location, object]] = [(("choices", i), choice) for i, choice in enumerate(parameter.choices)]
    given += [(("aliases", i), value) for i, alias in enumerate(parameter.aliases) for value in alias.values.values()]
    given += [(("device_defaults", device), value) for device, value in parameter.device_defaults.items()]
    for place, value in [(("default",), parameter.default), *given]:
        try:
            parameter.parse(value)
        except ValueError as error:
            yield Problem((*at, *place), str(error))
    for preset in parameter.presets:
        if preset not in presets:
            yield Problem((*at, "presets"), f"there is no preset {preset!r}{schema.did_you_mean(preset, presets)}")


def _check_names(parameters: Mapping[str, params.Parameter]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for parameter in parameters.values():
        for alias in parameter.names:
            key = params.folded(alias.name)
            if key in seen:
                yield Problem(("parameters", parameter.name), f"the name {alias.name!r} already stands for {seen[key]}")
            seen[key] = parameter.name


def _check_settings(
    parameters: Mapping[str, params.Parameter], values: Mapping[str, object], at: Location
) -> Iterator[Problem]:
    for name, value in values.items():
        match = params.canonical(parameters, name, value)
        if match is None:
            near = schema.did_you_mean(name, params.known_names(parameters))
            yield Problem((*at, name), f"is not a declared parameter{near}")
            continue
        try:
            parameters[match[0]].parse(match[1])
        except ValueError as error:
            yield Problem((*at, name), str(error))


def _example(found: Document, folder: Path) -> Example:
    data = found.data
    environment, inputs = data.get("environment", {}), data.get("data", {})
    words = ("modalities", "datasets", "tags", "tasks", "frameworks", "secrets")
    return Example(
        name=data["name"],
        folder=folder.absolute(),
        capability=data["capability"],
        stability=data["stability"],
        description=data["description"].strip(),
        presets={name: _preset(name, entry) for name, entry in data["presets"].items()},
        resources=_resources(data.get("resources", {})),
        license=data.get("license", ""),
        requirements=environment.get("requirements", ""),
        setup=environment.get("setup", ""),
        data_formats=tuple(inputs.get("formats", ())),
        sample=inputs.get("sample", ""),
        inspect=inputs.get("inspect", ""),
        parameters=params.declared(data.get("parameters", {})),
        experiments=data.get("experiments", {}),
        verification=rules.parse(data.get("verification", {})),
        **{key: tuple(data.get(key, ())) for key in words},
    )


def _preset(name: str, entry: Mapping[str, Any]) -> Preset:
    return Preset(name, **{**entry, "command": tuple(entry.get("command", ()))})


def _resources(raw: Mapping[str, Any]) -> Resources:
    amounts = {key: str(raw[key]) for key in ("vram_gb", "disk_gb") if key in raw}
    return Resources(**{**raw, **amounts})


def _needs_newer(wanted: object) -> str:
    if not isinstance(wanted, (str, int, float)) or not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", str(wanted)):
        return ""
    numbers = [int(part) for part in str(wanted).split(".")]
    mine = [int(part) for part in contract.VERSION.split(".")]
    return f"needs cvl {wanted} or newer, this is {contract.VERSION}" if numbers > mine else ""


def preset(example: Example, name: str) -> Preset:
    """The preset called `name`; UsageError lists those that exist."""
    try:
        return example.presets[name]
    except KeyError:
        raise UsageError(
            f"{example.name} has no preset {name!r}{schema.did_you_mean(name, example.presets)}",
            hint=f"its presets are: {', '.join(example.presets)}",
        ) from None
