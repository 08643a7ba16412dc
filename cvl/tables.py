"""Generated parts of a README: the tables of an example's parameters and of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cvl import evidence
from cvl.catalogue import Entry
from cvl.manifest import Example
from cvl.params import Parameter

PARAMETERS = "parameters"
CATALOGUE = "catalogue"


def parameter_table(example: Example) -> str:
    """Markdown; empty where the example has no parameters."""
    rows = [_parameter_row(parameter) for parameter in example.parameters.values()]
    return _table(("Parameter", "Type", "Default", "Allowed", "Meaning"), rows) if rows else ""


def catalogue_table(entries: Iterable[Entry]) -> str:
    """Markdown, with links that hold beside the folder of examples; broken examples are left out."""
    rows = [_example_row(entry.example) for entry in entries if entry.example]
    return _table(("Example", "What it does", "Tasks", "Frameworks", "Needs", "Stability", "Evidence"), rows)


def part(text: str, name: str) -> str | None:
    """What stands between `<!-- cvl:NAME -->` and `<!-- /cvl:NAME -->`; None without these marks."""
    match = _part(name).search(text)
    return match[2].strip("\n") if match else None


def with_part(text: str, name: str, content: str) -> str:
    """`text` with `content` between the marks of `name`; unchanged where there are none."""
    return _part(name).sub(lambda match: f"{match[1]}\n{content}\n{match[3]}", text, count=1)


def defaults(parameter: Parameter) -> str:
    """The default, and those of devices where they differ."""
    by_device = [f"{device} {value}" for device, value in parameter.device_defaults.items()]
    plain = "unset" if parameter.default is None else _text(parameter.default)
    return f"{plain} ({', '.join(by_device)})" if by_device else plain


def allowed(parameter: Parameter) -> str:
    """The range or the choices."""
    if parameter.choices:
        words = ", ".join(parameter.choices)
        return words if len(words) < 40 else f"{parameter.choices[0]} … {parameter.choices[-1]}"
    low, high = parameter.minimum, parameter.maximum
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:g}'}…{'' if high is None else f'{high:g}'}"


def needs(example: Example) -> str:
    """GPU, memory and disk in a few words."""
    resources = example.resources
    memory = f" with {resources.vram_gb} GB" if resources.vram_gb else ""
    parts = [f"{resources.gpu} GPU{memory}" if resources.gpu else "no GPU"]
    parts += ["(a CPU will do)"] if resources.gpu and resources.cpu_ok else []
    return " ".join(parts) + (f", {resources.disk_gb} GB of disk" if resources.disk_gb else "")


def _parameter_row(parameter: Parameter) -> tuple[str, ...]:
    names = ", ".join(f"`{alias.name}`" for alias in parameter.aliases)
    meaning = parameter.description + (f" (also {names})" if names else "")
    return f"`{parameter.name}`", parameter.type, defaults(parameter), allowed(parameter), meaning


def _example_row(example: Example) -> tuple[str, ...]:
    link = f"[{example.name}]({example.folder.parent.name}/{example.name}/)"
    words = (", ".join(example.tasks), ", ".join(example.frameworks), needs(example), example.stability)
    return link, example.description, *words, evidence.summary(example)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _part(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- cvl:{name} -->)(.*?)(<!-- /cvl:{name} -->)", re.DOTALL)
