"""Typed parameters: one implementation of precedence, validation and aliases for host and job."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from cvl import contract
from cvl.errors import UsageError

Value = int | float | bool | str | None

# Where a value comes from, least to most binding; the first three are the example's own.
SOURCES = ("default", "device", "preset", "earlier run", "config", ".env", "environment", "-e", "flag")

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


@dataclass(frozen=True)
class Alias:
    """Another name of a parameter; `values` translates what is said under it."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)

    def means(self, raw: object) -> object:
        return self.values.get(str(raw).lower(), raw)


@dataclass(frozen=True)
class Parameter:
    """One knob of an example, as its manifest declares it."""

    name: str
    type: str
    description: str = ""
    default: Value = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # for `type: path`: patterns of values that are names, not paths
    aliases: tuple[Alias, ...] = ()
    device_defaults: Mapping[str, Value] = field(default_factory=dict)
    presets: tuple[str, ...] = ()  # empty: all
    affects_result: bool = True

    @property
    def names(self) -> tuple[Alias, ...]:
        """Everything that it may be called, its own name first; an alias that repeats it translates values."""
        own = next((a for a in self.aliases if a.values and folded(a.name) == folded(self.name)), Alias(self.name))
        return Alias(self.name, own.values), *(alias for alias in self.aliases if alias is not own)

    def parse(self, raw: object) -> Value:
        """The typed value of `raw`; ValueError says what is wrong with it."""
        if self.default is None and (raw is None or str(raw).lower() in ("", "null")):
            return None
        if raw is None:
            raise ValueError("has no value")
        value = _CONVERT[self.type](raw)
        self._check_bounds(value)
        if self.choices and value not in map(_CONVERT[self.type], self.choices):
            raise ValueError(f"{raw!r} is not one of {', '.join(self.choices)}{_near(str(raw), self.choices)}")
        return value

    def is_path(self, value: object) -> bool:
        """Whether `value` names something on disk, not a word such as `none` or a model's name."""
        if self.type != "path" or value in (None, ""):
            return False
        return not any(fnmatch(str(value), word) for word in self.words)

    def _check_bounds(self, value: Value) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{value} is less than the minimum {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{value} is more than the maximum {self.maximum:g}")


@dataclass(frozen=True)
class Setting:
    """A value and where it comes from (one of SOURCES)."""

    value: Value
    source: str


class Values:
    """Resolved parameters; `values.BATCH_SIZE` is typed, `values.settings` keeps the sources."""

    def __init__(self, settings: Mapping[str, Setting], extra: Sequence[str] = ()) -> None:
        self.settings = dict(settings)
        self.extra = tuple(extra)

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("settings", {})  # not there yet while a copy is made
        if name not in settings:
            raise AttributeError(f"no parameter {name} in {contract.MANIFEST}")
        return settings[name].value

    def as_dict(self) -> dict[str, Value]:
        return {name: setting.value for name, setting in self.settings.items()}


def declared(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    """The manifest's `parameters` section as Parameters, already known to fit the schema."""
    return {name: _declare(name, entry) for name, entry in raw.items()}


def resolve(
    parameters: Mapping[str, Parameter], layers: Iterable[tuple[str, Mapping[str, object]]]
) -> dict[str, Setting]:
    """Defaults overlaid by `layers` (source, {name: raw}), least binding first; all problems at once."""
    settings = {name: Setting(p.parse(p.default), "default") for name, p in parameters.items()}
    problems: list[str] = []
    for source, layer in layers:
        for name, raw in layer.items():
            try:
                settings[name] = Setting(parameters[name].parse(raw), source)
            except ValueError as error:
                problems.append(f"{name}: {error}{_from(source)}")
    if problems:
        raise UsageError("\n".join(problems), hint="`cvl info NAME` lists the parameters with their types and ranges")
    return settings


def of_device(parameters: Mapping[str, Parameter], device: str) -> dict[str, Value]:
    """The defaults that `device` (cpu or cuda) chooses."""
    return {name: p.device_defaults[device] for name, p in parameters.items() if device in p.device_defaults}


def canonical(parameters: Mapping[str, Parameter], name: str, raw: object) -> tuple[str, object] | None:
    """The parameter that `name` stands for (any case, `-` or `_`, dotted alias) and its translated value."""
    found = _find(parameters, name)
    return (found[0].name, found[1].means(raw)) if found else None


def collect(
    parameters: Mapping[str, Parameter],
    pairs: Iterable[tuple[str, object]],
    *,
    source: str,
    strict: bool = True,
) -> dict[str, object]:
    """`pairs` under canonical names; an unknown name is refused with a suggestion unless not `strict`."""
    found: dict[str, object] = {}
    problems: list[str] = []
    for name, raw in pairs:
        match = canonical(parameters, name, raw)
        if match is None:
            if strict:
                problems.append(f"unknown parameter {name}{_near(name, known_names(parameters))}{_from(source)}")
        elif match[0] in found and str(found[match[0]]) != str(match[1]):
            problems.append(f"{match[0]} is given twice with different values ({source})")
        else:
            found[match[0]] = match[1]
    if problems:
        raise UsageError("\n".join(problems), hint="`cvl info NAME` lists the parameters and their aliases")
    return found


def from_environment(parameters: Mapping[str, Parameter], environ: Mapping[str, str]) -> dict[str, object]:
    """Parameters that the environment sets: upper-case names, exactly; the name wins over its aliases, in order."""
    return {
        parameter.name: alias.means(environ[alias.name])
        for parameter in parameters.values()
        for alias in reversed(parameter.names)
        if alias.name.isupper() and alias.name in environ
    }


def from_arguments(parameters: Mapping[str, Parameter], words: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """`--batch-size 2`, `--batch-size=2`, `--no-ema`, `batch_size=2`, `model.size=n`; and the words that are none."""
    pairs: list[tuple[str, object]] = []
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, value = _split_word(parameters, word, queue)
        if _find(parameters, name):
            pairs.append((name, value))
        else:
            _refuse_typo(parameters, word)
            rest.append(word)
    return collect(parameters, pairs, source="flag"), rest


def read_config(path: Path) -> dict[str, object]:
    """A YAML file of parameters, flat or nested; nested keys become dotted names, `x-` keys are skipped."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(raw, dict):
            return _flatten({key: value for key, value in raw.items() if not str(key).startswith("x-")})
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"--config {path}: not readable as YAML: {error}") from None
    except RecursionError:
        raise UsageError(f"--config {path}: nested too deeply, or contains itself") from None
    raise UsageError(f"--config {path}: expected a mapping of parameters, found {type(raw).__name__}")


def read_dotenv(path: Path) -> dict[str, str]:
    """`KEY=VALUE` lines of a .env file; comments, `export` and quotes as usual."""
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line)
        if match:
            value = match[2]
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[match[1]] = value[1:-1] if quoted else re.sub(r"\s+#.*$", "", value)
    return found


def known_names(parameters: Mapping[str, Parameter]) -> list[str]:
    """Every name that stands for a parameter, aliases included."""
    return [alias.name for parameter in parameters.values() for alias in parameter.names]


def load(file: str, *, device: str = "cpu", argv: Sequence[str] | None = None) -> Values:
    """In the job: the parameters of the example whose script is `file`, from environment and arguments.

    `device` is `cpu` or `cuda` and picks `device_defaults`. Values that `cvl run` set arrive as
    environment variables, with their sources in CVL_PARAM_SOURCES.
    """
    folder = Path(file).resolve().parent
    manifest = yaml.safe_load((folder / contract.MANIFEST).read_text(encoding="utf-8"))
    parameters = declared(manifest.get("parameters") or {})
    words, config = _take_config(list(sys.argv[1:] if argv is None else argv))
    flags, extra = from_arguments(parameters, words)
    _refuse_unknown(parameters, extra)
    environment = from_environment(parameters, os.environ)
    sources = json.loads(os.environ.get(contract.PARAM_SOURCES, "{}"))
    settings = resolve(
        parameters,
        [
            ("device", of_device(parameters, device)),
            ("config", collect(parameters, read_config(config).items(), source="config") if config else {}),
            ("environment", environment),
            ("flag", flags),
        ],
    )
    for name, source in sources.items():
        if name in environment and name not in flags and name in settings:
            settings[name] = Setting(settings[name].value, source)
    return Values(settings, extra)


def suggest(name: str, known: Iterable[str]) -> str:
    """The known name nearest to `name`, or an empty string."""
    lower = {k.lower(): k for k in known}
    match = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return lower[match[0]] if match else ""


def _take_config(words: list[str]) -> tuple[list[str], Path | None]:
    """Takes `--config FILE` out of `words`."""
    for i, word in enumerate(words):
        if word == "--config" and i + 1 < len(words):
            return words[:i] + words[i + 2 :], Path(words[i + 1])
        if word.startswith("--config="):
            return words[:i] + words[i + 1 :], Path(word.partition("=")[2])
    return words, None


def _refuse_unknown(parameters: Mapping[str, Parameter], words: Sequence[str]) -> None:
    for word in words:
        if word.startswith("--"):
            near = _near(word[2:].partition("=")[0], known_names(parameters))
            raise UsageError(f"unknown option {word}{near}", hint=f"the parameters are listed in {contract.MANIFEST}")


def _refuse_typo(parameters: Mapping[str, Parameter], word: str) -> None:
    """A word that is not a parameter goes to the example verbatim, unless it nearly is one."""
    name = word.lstrip("-").partition("=")[0]
    if not (word.startswith("--") or "=" in word) or not name:
        return
    keys = {folded(known): known for known in known_names(parameters)}
    near = difflib.get_close_matches(folded(name), keys, n=1, cutoff=0.8)
    if near:
        hint = "after `--`, use --name value"
        raise UsageError(f"unknown parameter {word}, did you mean {keys[near[0]]}?", hint=hint)


def _split_word(parameters: Mapping[str, Parameter], word: str, queue: list[str]) -> tuple[str, object]:
    """Name and raw value of one command-line word, taking the value from `queue` where it stands apart."""
    flag = word.startswith("--")
    name, equals, value = word.removeprefix("--").partition("=")
    if equals:
        return name, value
    found = _find(parameters, name) if flag else None
    if found is None:
        return (name.removeprefix("no-"), "false") if flag and name.startswith("no-") else ("", "")
    is_switch = found[0].type == "boolean" or "true" in found[1].values
    if is_switch and (not queue or queue[0].lower() not in _TRUE | _FALSE):
        return name, "true"
    if not queue:
        raise UsageError(f"{word} needs a value")
    return name, queue.pop(0)


def _find(parameters: Mapping[str, Parameter], name: str) -> tuple[Parameter, Alias] | None:
    """The parameter that `name` stands for, and which of its names that is."""
    pairs = ((parameter, alias) for parameter in parameters.values() for alias in parameter.names)
    return next((pair for pair in pairs if folded(pair[1].name) == folded(name)), None)


def _declare(name: str, entry: Mapping[str, Any]) -> Parameter:
    aliases = tuple(
        Alias(a) if isinstance(a, str) else Alias(a["name"], {as_word(k): as_word(v) for k, v in a["values"].items()})
        for a in entry.get("aliases", ())
    )
    return Parameter(
        name=name,
        type=entry["type"],
        description=entry.get("description", ""),
        default=entry.get("default"),
        minimum=_bound(entry.get("minimum")),
        maximum=_bound(entry.get("maximum")),
        choices=tuple(as_word(choice) for choice in entry.get("choices", ())),
        words=tuple(as_word(word) for word in entry.get("words", ())),
        aliases=aliases,
        device_defaults=entry.get("device_defaults", {}),
        presets=tuple(entry.get("presets", ())),
        affects_result=entry.get("affects_result", True),
    )


def _bound(raw: object) -> float | None:
    return None if raw is None else float(str(raw))


def as_word(value: object) -> str:
    """A value as users type it: `true`, not `True`; what is unset is empty."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _flatten(raw: Mapping[Any, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in raw.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = ",".join(map(as_word, value)) if isinstance(value, list) else value
    return flat


def _from(source: str) -> str:
    return "" if source in ("flag", "default") else f" ({source})"


def _near(name: str, known: Iterable[str]) -> str:
    match = suggest(name, known)
    return f", did you mean {match}?" if match else ""


def _integer(raw: object) -> int:
    if isinstance(raw, str) and re.fullmatch(r"[-+]?[0-9]{1,4000}", raw.strip()):
        return int(raw.strip())  # a float would round what has more than 15 digits
    number = raw if type(raw) is int else _number(raw, "an integer")
    if number != int(number):
        raise ValueError(f"{raw!r} is not an integer")
    return int(number)


def _number(raw: object, kind: str = "a number") -> float:
    try:
        number = math.nan if isinstance(raw, bool) else float(str(raw))
    except ValueError:
        raise ValueError(f"{raw!r} is not {kind}") from None
    if not math.isfinite(number):
        raise ValueError(f"{raw!r} is not {kind}")
    return number


def _boolean(raw: object) -> bool:
    word = str(raw).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{raw!r} is not a boolean (true or false)")
    return word in _TRUE


_CONVERT: dict[str, Callable[[object], Value]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": as_word,
    "path": as_word,
}
