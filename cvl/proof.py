"""What a passed run proves: a hash for each thing that could change its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from cvl import plan, settings
from cvl.health import reads
from cvl.manifest import Example, Preset
from cvl.rules import Rule

_PACKAGE = Path(__file__).parent


def of(example: Example, preset: Preset) -> dict[str, str]:
    """A hash for the rules and parameters of `preset`, the image's files, and every module that its command imports."""
    files = {name: example.folder / name for name in plan.image_files(example)} | code(example, preset)
    hashes = {name: path.read_bytes() if path.is_file() else b"" for name, path in sorted(files.items())}
    return {
        "rules": _hash(_rules(example, preset)),
        "parameters": _hash(_parameters(example, preset)),
        **{name: _hash(content) for name, content in hashes.items()},
    }


def code(example: Example, preset: Preset) -> dict[str, Path]:
    """The scripts that the preset names (else all of the folder) and the modules of folder and cvl that they import."""
    words = preset.command or (preset.script,)
    named = [example.folder / word for word in words if word and (example.folder / word).is_file()]
    waiting = named or sorted(example.folder.glob("*.py"))
    found: dict[str, Path] = {}
    while waiting:
        path = waiting.pop()
        name = _name(path, example.folder)
        if name not in found:
            found[name] = path
            waiting += _imported(path, example.folder)
    return found


def _imported(path: Path, folder: Path) -> Iterator[Path]:
    if path.suffix != ".py":
        return
    try:
        names = set(reads.imports(reads.parse(path.read_bytes())))
    except SyntaxError:  # the run itself will say so
        return
    for name in names:
        dots = len(name) - len(name.lstrip("."))
        base = path.parents[dots - 1] if dots else _PACKAGE.parent if name.partition(".")[0] == "cvl" else folder
        place = base.joinpath(*name.strip(".").split("."))
        yield from (file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


def _name(path: Path, folder: Path) -> str:
    """`train.py`, or `cvl/kit/run.py`."""
    return path.relative_to(_PACKAGE.parent if path.is_relative_to(_PACKAGE) else folder).as_posix()


def _rules(example: Example, preset: Preset) -> bytes:
    rules = example.verification.presets.get(preset.name, ())
    metrics = example.verification.metrics
    named = sorted({name for rule in rules for name in _names(rule) if name in metrics})
    return _json([[vars(rule) for rule in rules], [vars(metrics[name]) for name in named]])


def _names(rule: Rule) -> Iterator[str]:
    """The metrics that a rule is about, those among its options too."""
    yield from rule.metrics
    for value in rule.options.values():
        yield from value if isinstance(value, tuple) else [str(value)]


def _parameters(example: Example, preset: Preset) -> bytes:
    """The command, and what the preset's parameters are on each device while nobody sets one."""
    devices = {
        device: {
            name: setting.value
            for name, setting in settings.nominal(example, preset, device).items()
            if settings.counts(example, name)
        }
        for device in ("cpu", "cuda")
    }
    return _json([preset.command or preset.script, devices])


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, default=_plain).encode()


def _plain(value: object) -> object:
    return value if isinstance(value, str) else list(value) if isinstance(value, Iterable) else vars(value)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
