"""A Dockerfile taken apart: its instructions, its build arguments, and the images that it starts from. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

_REFERENCE = re.compile(r"(?P<plain>\\\$)|\$(?:(?P<bare>\w+)|\{(?P<name>\w+)(?::-(?P<other>[^{}$]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines and here-documents joined, without comments."""

    line: int
    word: str
    rest: str


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile in order."""
    found: list[Instruction] = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [line.strip()]
        while parts[-1].endswith("\\"):
            parts[-1] = parts[-1][:-1].rstrip()
            parts.append(_next_line(lines))
        for end in re.findall(r"(?<!\S)\d*<<-?[\"']?(\w+)", " ".join(parts)):
            parts += _heredoc(lines, end)
        word, _, rest = " ".join(filter(None, parts)).partition(" ")
        found.append(Instruction(number, word.upper(), rest.strip()))
    return found


def only(found: Sequence[Instruction], *words: str) -> Iterator[Instruction]:
    return (instruction for instruction in found if instruction.word in words)


def defaults(found: Sequence[Instruction]) -> dict[str, str]:
    """The default of each ARG as it is written, empty where it has none; the first mention counts."""
    args: dict[str, str] = {}
    for instruction in only(found, "ARG"):
        for name, default in re.findall(r"""(\w+)(?:=("[^"]*"|'[^']*'|\S*))?(?:\s|$)""", instruction.rest):
            text = default.replace("$", "\\$") if default.startswith("'") else default
            args.setdefault(name, text.strip("\"'"))
    return args


def build_args(found: Sequence[Instruction], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The value of each ARG: the one `given`, else its default with the ARGs above it filled in."""
    args: dict[str, str] = {}
    for name, default in defaults(found).items():
        args[name] = (given or {}).get(name) or filled(default, args)
    return args


def filled(text: str, args: Mapping[str, str]) -> str:
    """`text` with the build arguments filled in, as Docker does it; one that is unknown is empty."""
    return "".join(args.get(name) or other if name else plain for plain, name, other in parts(text))


def parts(text: str) -> Iterator[tuple[str, str, str]]:
    """(plain text, "", "") and ("", name, what stands for it where it is empty) in order; `\\$` is a plain `$`."""
    end = 0
    for match in _REFERENCE.finditer(text):
        yield text[end : match.start()], "", ""
        yield ("$", "", "") if match["plain"] else ("", match["bare"] or match["name"], match["other"] or "")
        end = match.end()
    yield text[end:], "", ""


def base(instruction: Instruction, args: Mapping[str, str]) -> str:
    """What a FROM starts from, with the build arguments filled in; empty where it names nothing."""
    words = [word for word in instruction.rest.split() if not word.startswith("--")]
    return filled(words[0], args) if words else ""


def base_images(found: Sequence[Instruction], args: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """(line, image) of each FROM, those that start from a stage of the same file left out."""
    stages = {"scratch"}
    for instruction in only(found, "FROM"):
        image = base(instruction, args)
        if image not in stages:
            yield instruction.line, image
        stages |= set(re.findall(r"\sas\s+(\S+)", instruction.rest, flags=re.IGNORECASE))


def _next_line(lines: Iterator[tuple[int, str]]) -> str:
    """The next line that is neither blank nor a comment: inside an instruction both are dropped."""
    return next((line.strip() for _, line in lines if line.strip() and not line.lstrip().startswith("#")), "")


def _heredoc(lines: Iterator[tuple[int, str]], end: str) -> list[str]:
    return [f"{line.strip()};" for _, line in takewhile(lambda item: item[1].strip() != end, lines)]
