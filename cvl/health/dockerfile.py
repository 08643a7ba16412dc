"""What a Dockerfile of the catalogue must hold, read from its text: every problem as (line, what is wrong)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cvl import dockerfile
from cvl.dockerfile import Instruction, base, build_args, only

Problem = tuple[int, str]

_INSTALL = r"\b(?:pip3?|uv|conda|mamba)\s+(?:pip\s+)?install\b"
_TORCH = re.compile(_INSTALL + r".*[\s\"']torch(?![\w-])", re.DOTALL)
_OPENERS = {
    "chmod 755 /root": r"\bchmod\s+0?755\s+/root(?=$|[\s;&])",
    "chmod 1777 /root/.cache": r"\bchmod\s+1777\s+/root/\.cache(?=$|[\s;&])",
}


def base_images(found: Sequence[Instruction]) -> Iterator[Problem]:
    """`ARG BASE_IMAGE` has a default, and every base is pinned by a tag that is not latest, or a digest."""
    defaults = build_args(found)
    if "BASE_IMAGE" not in defaults:
        yield 1, "has no `ARG BASE_IMAGE=…` with a pinned default"
    for line, image in dockerfile.base_images(found, defaults):
        if not _is_pinned(image):
            yield line, f"the base image {image or 'without a name'} is not pinned by a tag or a digest"


def arguments(found: Sequence[Instruction]) -> Iterator[Problem]:
    """A default refers to nothing but the ARGs above it: what else it names is no part of the image's name."""
    above: set[str] = set()
    for instruction in only(found, "ARG"):
        for name, default in dockerfile.defaults([instruction]).items():
            for _, other, _ in dockerfile.parts(default):
                if other and other not in above:
                    yield instruction.line, f"ARG {name} refers to {other}, which is no ARG above it"
            above.add(name)


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
    for instruction in only(found, "COPY", "ADD"):
        words = [word.strip("\"',[]") for word in instruction.rest.split()]
        sources = [word for word in words if not word.startswith("--")][:-1]
        if any(word.startswith(("--from=", "<<")) for word in words):
            continue
        for source in sources:
            if source.removeprefix("./") not in allowed and "://" not in source:
                yield instruction.line, f"copies {source}; the image holds the environment only, code is mounted"


def first_layers(found: Sequence[Instruction]) -> list[tuple[int, str]]:
    """(line, instruction) from the first FROM to the installation of torch; FROM alone where there is none."""
    defaults = build_args(found)
    layers: list[tuple[int, str]] = []
    for instruction in found:
        if instruction.word == "FROM":
            layers.append((instruction.line, f"FROM {base(instruction, defaults)}"))
        elif layers:
            layers.append((instruction.line, f"{instruction.word} {' '.join(instruction.rest.split())}"))
        if instruction.word == "RUN" and _TORCH.search(instruction.rest):
            return layers
    return layers[:1]


def _is_pinned(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@sha256:" in image or tag not in ("", "latest")
