"""What a Dockerfile of the catalogue must hold, read from its text: every problem as (line, what is wrong)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

Problem = tuple[int, str]

_INSTALL = r"\b(?:pip3?|uv|conda|mamba)\s+(?:pip\s+)?install\b"
_TORCH = re.compile(_INSTALL + r".*[\s\"']torch(?![\w-])", re.DOTALL)
_OPENERS = {
    "chmod 755 /root": r"\bchmod\s+0?755\s+/root(?=$|[\s;&])",
    "chmod 1777 /root/.cache": r"\bchmod\s+1777\s+/root/\.cache(?=$|[\s;&])",
}


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
        for end in re.findall(r"<<-?[\"']?(\w+)", " ".join(parts)):
            parts += _heredoc(lines, end)
        word, _, rest = " ".join(filter(None, parts)).partition(" ")
        found.append(Instruction(number, word.upper(), rest.strip()))
    return found


def base_images(found: Sequence[Instruction]) -> Iterator[Problem]:
    """`ARG BASE_IMAGE` has a default, and every base is pinned by a tag that is not latest, or a digest."""
    defaults = _defaults(found)
    if "BASE_IMAGE" not in defaults:
        yield 1, "has no `ARG BASE_IMAGE=…` with a pinned default"
    stages: set[str] = set()
    for instruction in _only(found, "FROM"):
        image = _base(instruction, defaults)
        if image not in stages | {"scratch"} and not _is_pinned(image):
            yield instruction.line, f"the base image {image or 'without a name'} is not pinned by a tag or a digest"
        stages |= set(re.findall(r"\s[Aa][Ss]\s+(\S+)", instruction.rest))


def opens_root(found: Sequence[Instruction], setup: str) -> Iterator[Problem]:
    """/root and /root/.cache are opened to every user after the last packages were installed."""
    pattern = _INSTALL + (rf"|{re.escape(setup)}" if setup else "")
    runs = [(index, instruction) for index, instruction in enumerate(found) if instruction.word == "RUN"]
    last = max(((i, m.end(), r.line) for i, r in runs for m in re.finditer(pattern, r.rest)), default=(0, 0, 1))
    for wanted, opener in _OPENERS.items():
        places = [(i, m.start(), r.line) for i, r in runs for m in re.finditer(opener, r.rest)]
        if not places:
            yield last[2], f"lacks `{wanted}`: the caller's user cannot reach the caches"
        elif max(places)[:2] < last[:2]:
            yield max(places)[2], f"`{wanted}` stands before the last packages are installed (line {last[2]})"


def leaves_root(found: Sequence[Instruction]) -> Iterator[Problem]:
    """The last USER is not root."""
    users = [instruction for instruction in found if instruction.word in ("USER", "FROM")]
    if users and users[-1].word == "USER" and users[-1].rest.split(":")[0] in ("root", "0"):
        yield users[-1].line, f"ends as USER {users[-1].rest}; the run brings its own user"


def copies(found: Sequence[Instruction], allowed: Sequence[str]) -> Iterator[Problem]:
    """Only the files that the environment is made of are copied: code is mounted."""
    for instruction in _only(found, "COPY", "ADD"):
        words = [word.strip("\"',[]") for word in instruction.rest.split()]
        sources = [word for word in words if not word.startswith("--")][:-1]
        if any(word.startswith(("--from=", "<<")) for word in words):
            continue
        for source in sources:
            if source.removeprefix("./") not in allowed and "://" not in source:
                yield instruction.line, f"copies {source}; the image holds the environment only, code is mounted"


def first_layers(found: Sequence[Instruction]) -> list[tuple[int, str]]:
    """(line, instruction) from the first FROM to the installation of torch; FROM alone where there is none."""
    defaults = _defaults(found)
    layers: list[tuple[int, str]] = []
    for instruction in found:
        if instruction.word == "FROM":
            layers.append((instruction.line, f"FROM {_base(instruction, defaults)}"))
        elif layers:
            layers.append((instruction.line, f"{instruction.word} {' '.join(instruction.rest.split())}"))
        if instruction.word == "RUN" and _TORCH.search(instruction.rest):
            return layers
    return layers[:1]


def _next_line(lines: Iterator[tuple[int, str]]) -> str:
    """The next line that is neither blank nor a comment: inside an instruction both are dropped."""
    return next((line.strip() for _, line in lines if line.strip() and not line.lstrip().startswith("#")), "")


def _heredoc(lines: Iterator[tuple[int, str]], end: str) -> list[str]:
    return [f"{line.strip()};" for _, line in takewhile(lambda item: item[1].strip() != end, lines)]


def _only(found: Sequence[Instruction], *words: str) -> Iterator[Instruction]:
    return (instruction for instruction in found if instruction.word in words)


def _defaults(found: Sequence[Instruction]) -> dict[str, str]:
    pairs = (instruction.rest.partition("=") for instruction in _only(found, "ARG"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


def _base(instruction: Instruction, defaults: dict[str, str]) -> str:
    words = [word for word in instruction.rest.split() if not word.startswith("--")]
    return re.sub(r"\$\{?(\w+)\}?", lambda m: defaults.get(m[1], ""), words[0]) if words else ""


def _is_pinned(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@sha256:" in image or tag not in ("", "latest")
